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
volpose train tiny --out runs/studio-tiny-coordinate --network coordinate --samples 240000
volpose train tiny --out runs/studio-tiny-wild --variation wild

for name in studio-tiny studio-tiny-coordinate studio-tiny-wild; do
    cp "runs/$name/log.csv" "$out/$name.csv"
done
python tools/ship.py runs/studio-tiny runs/studio-tiny-wild

evaluate() { volpose evaluate "$1" --data studio:test --count 3000 --json "$out/$2.json" "${@:3}"; }
evaluate studio-tiny studio-tiny
evaluate studio-tiny studio-tiny-argmax --decoder argmax
evaluate studio-tiny studio-tiny-mirror --mirror
evaluate studio-tiny studio-tiny-mean-limbs --root mean-limbs
evaluate studio-tiny studio-tiny-own-limbs --root own-limbs
evaluate studio-tiny studio-tiny-on-wild --variation wild
evaluate studio-tiny-wild studio-tiny-wild
evaluate studio-tiny-wild studio-tiny-wild-on-wild --variation wild
evaluate runs/studio-tiny-coordinate/weights.safetensors studio-tiny-coordinate
