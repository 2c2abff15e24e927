"""Published feature files, so that work done on them goes on at once."""

from emofuse.features.importers.run import STYLES, Imported, StyleInfo, import_features

__all__ = ["STYLES", "Imported", "StyleInfo", "import_features"]
