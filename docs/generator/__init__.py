"""Makes the reference pages of the manual from what the program itself knows: its models, commands and settings."""
