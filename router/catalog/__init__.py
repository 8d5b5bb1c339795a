"""What is known of vendors, as data."""
