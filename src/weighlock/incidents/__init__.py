"""What is known when something turns out bad: an index of where everything is, and the answers that it gives."""
