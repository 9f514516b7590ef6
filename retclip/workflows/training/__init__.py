"""Fine-tunes a proposer over a frozen backbone, and resumes a run that was killed."""
