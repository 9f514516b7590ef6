"""Search and show: what a person asks of the stored segments."""
