"""What only the book needs: example images, figures, and building it."""
