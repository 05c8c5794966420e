"""What commands share: pages, records, statistics, files that appear whole, text."""
