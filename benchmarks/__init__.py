"""Named datasets, protocol, suites, records and tables."""
