"""The process that has imported everything and forks, and how one asks it to."""
