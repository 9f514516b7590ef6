"""Fine-tunes a proposer over a frozen backbone, and goes on where a run was killed."""
