#!/usr/bin/env bash
# Makes results/first-light and volpose/weights: trains the shipped networks and the
# coordinate-regression baseline, and evaluates them. About an hour and a half on two cores;
# what is already trained is not trained again, and what was stopped is resumed.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
out=results/first-light

# the baseline's steps are cheaper: it sees more images, so that it trains at least as long
volpose train tiny --out runs/studio-tiny
volpose train tiny --out runs/studio-tiny-coordinate --network coordinate --samples 300000
volpose train tiny --out runs/studio-tiny-wild --variation wild --samples 64000

for name in studio-tiny studio-tiny-coordinate studio-tiny-wild; do
    cp "runs/$name/log.csv" "$out/$name.csv"
done
python tools/ship.py runs/studio-tiny runs/studio-tiny-wild

for kind in default wild; do
    volpose render studio:test --count 3000 --size 64 --variation $kind --out "runs/data/test-$kind"
done
evaluate() { volpose evaluate "$1" --data "runs/data/test-$2" --json "$out/$3.json" "${@:4}"; }
evaluate studio-tiny default studio-tiny
evaluate studio-tiny default studio-tiny-argmax --decoder argmax
evaluate studio-tiny default studio-tiny-mirror --mirror
evaluate studio-tiny default studio-tiny-mean-limbs --root mean-limbs
evaluate studio-tiny default studio-tiny-own-limbs --root own-limbs
evaluate studio-tiny wild studio-tiny-on-wild
evaluate studio-tiny-wild default studio-tiny-wild
evaluate studio-tiny-wild wild studio-tiny-wild-on-wild
evaluate runs/studio-tiny-coordinate/weights.safetensors default studio-tiny-coordinate
