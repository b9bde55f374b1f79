"""pip as a source of packages: it resolves and downloads, and builds nothing; and as the installer of judged bytes."""
