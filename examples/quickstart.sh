#!/usr/bin/env bash
# The four lines, in a folder of their own: from a folder of scans and rigs to figures in centimetres.
#
#   examples/quickstart.sh models/ work/            all defaults, as in the README
#   RENDER="--views 8 --step 45" examples/quickstart.sh models/ work/   options for a step: RENDER, SAMPLE, TRAIN, EVAL
set -euo pipefail
models=$(realpath "${1:?usage: quickstart.sh MODELS [FOLDER]}")
mkdir -p "${2:-work}"
cd "${2:-work}"

mpc render "$models" ${RENDER:-}                 # posed scenes and pictures          -> renders/
mpc sample ${SAMPLE:-}                           # labelled points, colours, a split  -> shards/
mpc train ${TRAIN:-}                             # surface, then texture              -> runs/
mpc eval --metrics chamfer p2s ${EVAL:-}         # meshes of the test split, measured -> runs/NAME/eval/
