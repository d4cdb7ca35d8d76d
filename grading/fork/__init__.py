"""What every fork of a warm process gets: walls, and a shell for cells."""
