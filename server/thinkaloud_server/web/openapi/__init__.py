"""OpenAPI 3.1 of every face, read from the same table of routes that answers, and from the proto's comments."""

from thinkaloud_server.web.openapi.document import Info, documents

__all__ = ["Info", "documents"]
