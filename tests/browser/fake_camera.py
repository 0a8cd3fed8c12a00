"""A film in the place of the browser's camera."""

from pathlib import Path

WIDTH, HEIGHT, RATE = 64, 48, 10  # pixels, and frames in a second
COLORS = (60, 110, 190), (170, 60, 60)  # dark red, bright green: brightness, and how far towards blue and towards red


def film_as_camera(folder: Path) -> list[str]:
    """Chromium's options for a camera that sees a second of dark red, then a second of bright green, over and over.

    The right half is brighter. A page has to be allowed to use the camera all the same.
    """
    frames = []
    for y, u, v in COLORS:
        line = bytes([y]) * (WIDTH // 2) + bytes([y + 40]) * (WIDTH // 2)
        planes = line * HEIGHT + bytes([u]) * (WIDTH * HEIGHT // 4) + bytes([v]) * (WIDTH * HEIGHT // 4)
        frames += RATE * [b"FRAME\n" + planes]
    path = folder / "film.y4m"
    path.write_bytes(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode() + b"".join(frames))
    return ["--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={path}"]
