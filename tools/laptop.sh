#!/usr/bin/env bash
# Makes results/laptop and volpose/weights: trains the shipped networks and the
# coordinate-regression baseline, and evaluates them. About three hours on two cores;
# what is already trained is not trained again, and what was stopped is resumed.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
out=results/laptop

# the baseline's steps are cheaper: it sees more images in the same time
volpose train tiny --out runs/studio-tiny
volpose train laptop --out runs/studio-laptop
volpose train laptop --out runs/studio-laptop-coordinate --network coordinate --samples 190000
volpose train laptop --out runs/studio-laptop-wild --variation wild --samples 64000
# the network that predict takes: as wild, and it learns where nobody is
volpose train laptop --out runs/studio-laptop-anywhere --variation anywhere --images 60000 --samples 400000
# what more would bring; not shipped, for in whole pictures it finds people no better
volpose train laptop --out runs/studio-laptop-anywhere-longer \
    --start runs/studio-laptop-anywhere/weights.safetensors \
    --variation anywhere --images 100000 --samples 256000 --rate 0.004 --seed 1
# half of each batch in 3D from the one room, half in 2D from everywhere
volpose train laptop --out runs/studio-laptop-2d --data-2d studio:wild

for name in studio-tiny studio-laptop studio-laptop-coordinate studio-laptop-wild studio-laptop-2d \
    studio-laptop-anywhere studio-laptop-anywhere-longer; do
    cp "runs/$name/log.csv" "$out/$name.csv"
done
for kind in default wild; do
    volpose render studio:test --count 3000 --size 64 --variation $kind --out "runs/data/test-$kind"
done
evaluate() { volpose evaluate "runs/$1/weights.safetensors" --data "runs/data/test-$2" --json "$out/$3.json" "${@:4}"; }
evaluate studio-tiny default studio-tiny
evaluate studio-laptop default studio-laptop
evaluate studio-laptop default studio-laptop-argmax --decoder argmax
evaluate studio-laptop default studio-laptop-mirror --mirror
evaluate studio-laptop default studio-laptop-mean-limbs --root mean-limbs
evaluate studio-laptop default studio-laptop-own-limbs --root own-limbs
evaluate studio-laptop default studio-laptop-robust-limbs --root robust-limbs
evaluate studio-laptop wild studio-laptop-on-wild
evaluate studio-laptop-wild default studio-laptop-wild
evaluate studio-laptop-wild wild studio-laptop-wild-on-wild
evaluate studio-laptop-anywhere default studio-laptop-anywhere
evaluate studio-laptop-anywhere wild studio-laptop-anywhere-on-wild
evaluate studio-laptop-anywhere-longer default studio-laptop-anywhere-longer
evaluate studio-laptop-anywhere-longer wild studio-laptop-anywhere-longer-on-wild
evaluate studio-laptop-2d default studio-laptop-2d
evaluate studio-laptop-2d wild studio-laptop-2d-on-wild
evaluate studio-laptop-coordinate default studio-laptop-coordinate

# how far off in depth its joints may be, for its card
python tools/picture_doubt.py runs/studio-laptop-anywhere/weights.safetensors

# two networks of the comparison, for the chapters that look into them
volpose reproduce table2 --setting default --seeds 1
volpose reproduce table3 --setting default --seeds 1
python tools/ship.py runs/studio-tiny runs/studio-laptop runs/studio-laptop-wild \
    runs/studio-laptop-anywhere \
    results/reproduce/laptop-default/1-2-4-32-seed-0.json=studio-stack \
    results/reproduce/laptop-default/decoupled-seed-0.json=studio-decoupled
