from .run import STYLES, Imported, Pooling, StyleInfo, import_features, read_features, style_of

__all__ = ["STYLES", "Imported", "Pooling", "StyleInfo", "import_features", "read_features", "style_of"]
