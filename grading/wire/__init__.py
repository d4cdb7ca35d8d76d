"""What may cross between the process of an answer and the one that judges it."""
