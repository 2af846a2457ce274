"""Writes the image as an archive without docker or podman: an OCI image layout, with the list of `docker save` besides, so that
`docker load`, `podman load` and `skopeo` take it. What the image says of itself is read from the Containerfile."""

import gzip
import hashlib
import io
import json
import os
import platform
import shlex
import tarfile
from datetime import datetime, timezone
from pathlib import Path

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
OCI = "application/vnd.oci.image"


def nanoseconds(text):
    number, unit = int(text[:-1]), {"s": 10**9, "m": 60 * 10**9}[text[-1]]
    return number * unit


def described(containerfile):
    """What a Containerfile says of its image, in the words of the configuration of one. Only what ours uses is understood."""
    config, copied = {"Env": ["PATH=/usr/bin"], "Labels": {}, "ExposedPorts": {}, "Volumes": {}}, []
    for line in Path(containerfile).read_text().splitlines():
        word, _, rest = line.partition(" ")
        match word:
            case "" | "#":
                pass
            case "FROM":
                if rest != "scratch":
                    raise SystemExit("error: the Containerfile is not from scratch")
            case "COPY":
                *options, source, target = rest.split()
                owner = next((one.removeprefix("--chown=") for one in options), "0:0")
                copied.append((source, target, [int(part) for part in owner.split(":")]))
            case "LABEL" | "ENV":
                name, value = shlex.split(rest)[0].split("=", 1)
                if word == "ENV":
                    config["Env"].append(f"{name}={value}")
                else:
                    config["Labels"][name] = value
            case "USER":
                config["User"] = rest
            case "WORKDIR":
                config["WorkingDir"] = rest
            case "VOLUME":
                config["Volumes"] = {one: {} for one in json.loads(rest)}
            case "EXPOSE":
                config["ExposedPorts"][f"{rest}/tcp"] = {}
            case "STOPSIGNAL":
                config["StopSignal"] = rest
            case "ENTRYPOINT" | "CMD":
                config[word.capitalize()] = json.loads(rest)
            case "HEALTHCHECK":
                options, _, command = rest.partition(" CMD ")
                said = dict(one.removeprefix("--").split("=") for one in options.split())
                config["Healthcheck"] = {
                    "Test": ["CMD", *json.loads(command)],
                    "Interval": nanoseconds(said["interval"]),
                    "Timeout": nanoseconds(said["timeout"]),
                    "StartPeriod": nanoseconds(said["start-period"]),
                    "Retries": int(said["retries"]),
                }
            case _:
                raise SystemExit(f"error: the Containerfile has {word}, which scripts/image does not understand")
    return config, copied


def entry(name, path, owner, made_s):
    told = tarfile.TarInfo(name)
    told.mtime, (told.uid, told.gid) = made_s, owner
    if path.is_dir():
        told.type, told.mode = tarfile.DIRTYPE, path.stat().st_mode & 0o7777
        return told, None
    told.size, told.mode = path.stat().st_size, path.stat().st_mode & 0o7777
    return told, path.read_bytes()


def layer(context, copied, made_s):
    """One layer with all files, the same bytes for the same files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for source, target, owner in copied:
            start = context / source
            top = target.strip("/")
            paths = ([start] if top else []) + sorted(start.rglob("*"))
            for path in paths:
                name = "/".join(part for part in (top, str(path.relative_to(start))) if part not in ("", "."))
                told, content = entry(name, path, owner, made_s)
                tar.addfile(told, None if content is None else io.BytesIO(content))
    return packed.getvalue()


def write(context, tag, path):
    made_s = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    made = datetime.fromtimestamp(made_s, timezone.utc).isoformat()
    config, copied = described("Containerfile")
    config["Labels"]["org.opencontainers.image.version"] = tag.split(":")[1]
    plain = layer(context, copied, made_s)
    blobs = {}

    def blob(content, kind):
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": f"{OCI}.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    def text(value):
        return json.dumps(value, sort_keys=True).encode()

    packed = blob(gzip.compress(plain, mtime=0), "layer.v1.tar+gzip")
    machine = MACHINES.get(platform.machine(), platform.machine())
    about = blob(
        text({
            "architecture": machine,
            "os": "linux",
            "created": made,
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(plain).hexdigest()}"]},
            "history": [{"created": made, "created_by": "Containerfile"}],
        }),
        "config.v1+json",
    )
    manifest = blob(
        text({"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "config": about, "layers": [packed]}),
        "manifest.v1+json",
    )
    names = {"org.opencontainers.image.ref.name": tag, "io.containerd.image.name": f"docker.io/library/{tag}"}
    listed = {**manifest, "annotations": names, "platform": {"architecture": machine, "os": "linux"}}
    place = lambda one: "blobs/sha256/" + one["digest"].removeprefix("sha256:")  # noqa: E731
    files = {
        "oci-layout": text({"imageLayoutVersion": "1.0.0"}),
        "index.json": text({"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": [listed]}),
        "manifest.json": text([{"Config": place(about), "RepoTags": [tag], "Layers": [place(packed)]}]),
        **blobs,
    }
    with tarfile.open(path, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("blobs", "blobs/sha256"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o755, made_s
            tar.addfile(folder)
        for name, content in sorted(files.items()):
            told = tarfile.TarInfo(name)
            told.size, told.mode, told.mtime = len(content), 0o644, made_s
            tar.addfile(told, io.BytesIO(content))
    print(f"{path}: {path.stat().st_size / 1e6:.0f} MB, {tag}, {manifest['digest']}")
