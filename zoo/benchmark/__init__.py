"""Times networks and metrics, beside those of other libraries."""
