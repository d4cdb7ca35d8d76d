"""One file a subcommand, each a recipe of what the other folders can do."""
