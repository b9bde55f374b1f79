"""Policy engines that are asked after the built-in policy: they can add a denial, and never take one back."""
