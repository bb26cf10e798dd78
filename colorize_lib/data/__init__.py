"""Images in, stores out: image files, sources, preparing, downloads and generated scenes."""
