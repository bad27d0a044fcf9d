"""Container images: from a layout or an archive on disk, or a registry, to what can be unpacked."""
