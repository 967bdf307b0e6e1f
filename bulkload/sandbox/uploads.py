"""The files endpoints: upload, look, delete.

Law: an upload that is refused changes nothing, and one that is taken is one file, whole.

[docs, spec: files v3] The fields of the form, what `options` holds, `overwrite` (the standing
file is deleted, the new one has an id of its own), 201 and 204. [field] "options parameter is
required" (hubspot-api-php#381), "Either folderId or folderPath is required", 415 for another
content type (hubspot-api-nodejs#319). Not established: the words and the status of every other
refusal; that files are the same by their content whatever their names; the scope where none is
given (here the whole portal); 201 for RETURN_EXISTING; 404 for deleting twice; which types are
refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from bulkload.sandbox import multipart
from bulkload.sandbox.answers import Answer, Body, Call, Refused, error, iso, reply, validation

if TYPE_CHECKING:
    from bulkload.sandbox.filebooks import File
    from bulkload.sandbox.portal import Portal

ACCESS = ("PUBLIC_INDEXABLE", "PUBLIC_NOT_INDEXABLE", "PRIVATE")
STRATEGIES = ("NONE", "REJECT", "RETURN_EXISTING")
SCOPES = ("ENTIRE_PORTAL", "EXACT_FOLDER")


def upload(portal: Portal, call: Call) -> Answer:
    try:
        form = multipart.parse(call.content_type, call.raw)
    except ValueError as wrong:
        status = 400 if call.content_type.startswith("multipart/form-data") else 415
        return error(status, "VALIDATION_ERROR", f"HTTP {status}: {wrong}")
    if "file" not in form:
        return validation("file parameter is required")
    options, file = _options(form), form["file"]
    folder = _folder(portal, form)
    name = form["fileName"].text if "fileName" in form else file.filename
    name = (name or "").strip() or "file"
    config = portal.config
    if portal.refused_files is not None and portal.refused_files.search(name):
        return validation(f"The type of the file {name} is not supported")
    if len(file.content) > config.max_file:
        size = len(file.content)
        return validation(f"The file is too large: {size} bytes, at most {config.max_file}")
    strategy = options.get("duplicateValidationStrategy", "NONE")
    if strategy != "NONE":
        exact = options.get("duplicateValidationScope") == "EXACT_FOLDER"
        standing = portal.files.same(file.content, folder if exact else None)
        if standing is not None and strategy == "REJECT":
            return error(409, "CONFLICT", f"The file {standing.id} is the same")
        if standing is not None:
            return reply(201, _shown(portal, standing))
    made = portal.files.add(
        file.content,
        name,
        folder,
        options["access"],
        portal.wall(),
        overwrite=options.get("overwrite") is True,
    )
    return reply(201, _shown(portal, made))


def _options(form: dict[str, multipart.Part]) -> Body:
    if "options" not in form:
        raise Refused(validation("options parameter is required"))
    try:
        options = orjson.loads(form["options"].content)
    except orjson.JSONDecodeError as broken:
        raise Refused(validation(f"options is no JSON: {broken.msg}")) from None
    if not isinstance(options, dict) or not options.get("access"):
        raise Refused(
            validation(
                "Invalid input JSON on line 1, column 1: "
                "Some required fields were not set: [access]"
            )
        )
    for name, allowed in (
        ("access", ACCESS),
        ("duplicateValidationStrategy", STRATEGIES),
        ("duplicateValidationScope", SCOPES),
    ):
        if name in options and options[name] not in allowed:
            raise Refused(validation(f"{name} must be one of {', '.join(allowed)}"))
    return options


def _folder(portal: Portal, form: dict[str, multipart.Part]) -> str:
    """The path of the folder that the form names: one that is not there will be made."""
    identity, path = (
        form[name].text if name in form else "" for name in ("folderId", "folderPath")
    )
    if not identity and not path:
        raise Refused(validation("Either folderId or folderPath is required"))
    if identity and path:
        raise Refused(validation("Only one of folderId and folderPath can be given"))
    if path:
        return f"/{path.strip('/')}"
    known = portal.files.folder_path(identity)
    if known is None:
        raise Refused(error(404, "OBJECT_NOT_FOUND", f"No folder with id {identity} exists"))
    return known


def read(portal: Portal, call: Call) -> Answer:
    file = portal.files.find(call.match["id"])
    return _absent(call) if file is None else reply(200, _shown(portal, file))


def delete(portal: Portal, call: Call) -> Answer:
    file = portal.files.find(call.match["id"])
    if file is None:
        return _absent(call)
    portal.files.delete(file, portal.wall())
    return Answer(204)


def _absent(call: Call) -> Answer:
    return error(404, "OBJECT_NOT_FOUND", f"No file with id {call.match['id']} exists")


def _shown(portal: Portal, file: File) -> Body:
    place = f"{file.folder.rstrip('/')}/{file.name}"
    url = f"https://{portal.config.portal_id}.fs1.hubspotusercontent-na1.net/hubfs{place}"
    return {
        "id": file.id,
        "createdAt": iso(file.created),
        "updatedAt": iso(file.created),
        "archived": False,
        "parentFolderId": portal.files.folder(file.folder),
        "name": file.stem,
        "path": place,
        "size": file.size,
        "type": file.kind,
        "extension": file.extension,
        "defaultHostingUrl": url,
        "url": url,
        "isUsableInContent": True,
        "access": file.access,
        "fileMd5": file.md5,
        "sourceGroup": "CONTENT",
    }
