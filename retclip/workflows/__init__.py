"""What a user does with a store and models: one folder a subject, one file a thing that is done."""
