"""What `scripts/image.sh` does: gather the files of the image, start a server with them, write the image as an archive."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import archive  # noqa: E402
import files  # noqa: E402
import trial  # noqa: E402


def main(step, *arguments):
    match step, arguments:
        case "gather", [binary, context]:
            files.gather(Path(binary), Path(context))
        case "start", [context]:
            trial.start(Path(context))
        case "archive", [context, tag, path]:
            archive.write(Path(context), tag, Path(path))
        case _:
            sys.exit("usage: gather BINARY CONTEXT, start CONTEXT, archive CONTEXT TAG FILE")


main(*sys.argv[1:])
