"""Returns the URL to activate an action or trigger."""

import os

PARAMETERS = ("web", "ext", "trigger", "path")
EXTENSIONS = (".json", ".text", ".html", ".http")


def main(args):
    base = os.environ["__OW_API_HOST"] + "/api/v1"
    namespace, path, extension = os.environ["__OW_NAMESPACE"], args.get("path"), args.get("ext")
    if args.get("web") is True:
        if args.get("trigger"):
            return {"error": "triggers are not allowed for web actions."}
        if extension and extension not in EXTENSIONS:
            return {"error": 'extension for web action must be one of [".json", ".text", ".html", ".http"].'}
        if path and "/" not in path:
            path = "default/" + path
        return {"url": f"{base}/web/{namespace}" + (f"/{path}{extension or '.json'}" if path else "")}
    if args.get("trigger") and "/" in (path or ""):
        return {"error": "triggers are not allowed in packages."}
    collection = "triggers" if args.get("trigger") is True else "actions"
    return {"url": f"{base}/namespaces/{namespace}/{collection}" + (f"/{path}" if path else "")}
