"""Published feature files, so that work done on them goes on at once."""

from emofuse.features.importers.run import (
    STYLES,
    Imported,
    Pooling,
    StyleInfo,
    import_features,
    read_features,
    style_of,
)

__all__ = ["STYLES", "Imported", "Pooling", "StyleInfo", "import_features", "read_features", "style_of"]
