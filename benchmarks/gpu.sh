#!/usr/bin/env bash
# All figures that need a GPU, in under ten minutes on one: the stages in order of worth, each with a limit of its own.
#
#   benchmarks/gpu.sh [FOLDER]              results go to FOLDER/results.json and FOLDER/<stage>.txt (gpu-results)
#   benchmarks/gpu.sh --dry [FOLDER]        every stage on the CPU, in toy size, in a minute: proves that it runs. What
#                                           they take is not measured, so those that need no shards run beside the others
#   SHARDS=shards benchmarks/gpu.sh         pictures of 512 pixels, with the layers of `make base`; without it, some free
#                                           people are made first, enough to measure speed and too few to learn from
#   SECONDS_IN_ALL=540 PYTHON=python3       the whole time, and the Python that has mpc installed
#
# A stage that fails or outruns its limit does not stop those after it; what it had printed is kept. The exit status is
# 0 if all stages ended well, 3 if some did not, 1 without a GPU.
set -uo pipefail
cd "$(dirname "$0")/.."
dry=
[ "${1:-}" = --dry ] && { dry=yes; shift; }
out=$(realpath -m "${1:-gpu-results}")
python=${PYTHON:-python3}
began=$SECONDS
# Where all is done on a busy CPU the limits are not what is tried.
slack=${dry:+10}
slack=${slack:-1}
whole=$((${SECONDS_IN_ALL:-540} * slack))
mkdir -p "$out"
rm -f "$out"/*.txt "$out"/*.json "$out/stages.tsv"
export PYTHONUNBUFFERED=1

"$python" - >"$out/machine.json" <<'END'
import json, platform, torch, mpc
cuda = torch.cuda.is_available()
name = torch.cuda.get_device_name() if cuda else f"{platform.machine()} CPU"
print(json.dumps({"device": name, "cuda": cuda, "torch": torch.__version__, "mpc": mpc.__version__}))
END
if [ -z "$dry" ] && ! grep -q '"cuda": true' "$out/machine.json"; then
    echo "torch finds no CUDA device here; --dry runs all stages on the CPU in toy size" >&2
    exit 1
fi

if [ -n "$dry" ]; then
    device=cpu people="3 --texture-size 64" render="--size 96 --views 2 --step 180 --rays 16"
    sample="--near 12000 --uniform 2000 --colours 2000"
    tests="tests/geometry/test_closest_extremes.py"
    small="workers=0 threads=1 surface_network.encoder.widths=8,8,8,8 surface_network.encoder.features=16"
    paper="--batch 2 --steps 1 --warm-up 1 --set image_size=64 surface.points=128 $small surface_network.head.channels=16"
    base="--batch 2 --steps 1 --warm-up 1 --set threads=1 surface.norm_batches=1 surface.points=64"
    frames="--resolution 33 --views 1 --size 32"
    live="--tiny"
    metrics="--tiny"
    recipe="--set maps.steps=2 surface.steps=2 texture.steps=1"
    for name in maps surface texture; do
        recipe="$recipe $name.batch=2 $name.norm_batches=1 $name.validation_views=2"
    done
else
    device=cuda people="24 --texture-size 512" render="--size 512 --views 8 --step 45 --rays 64"
    sample="--near 40000 --uniform 10000 --colours 20000"
    tests="tests"
    paper="--steps 30 --warm-up 6"
    base="--steps 100 --warm-up 20"
    frames="--resolution 257 513 --views 5 --device cuda"
    live="--resolution 129 257 513 --mode lossless fast --seconds 5"
    metrics="--repeats 2 --seeds 2"
    recipe=
fi
layers="depth_front depth_back smooth_normal_front smooth_normal_back"

# stage NAME LIMIT COMMAND...: run a command for at most LIMIT seconds, and for no more than are left in all.
stage() {
    local name=$1 limit=$(($2 * slack)) left=$((whole - SECONDS + began)) start=$SECONDS status
    shift 2
    [ "$left" -lt "$limit" ] && limit=$left
    if [ "$limit" -lt 1 ]; then
        status=-1 # no time was left to begin
    else
        echo "== $name, at most $limit s"
        timeout --kill-after=10 "$limit" "$@" >"$out/$name.txt" 2>&1
        status=$?
        tail -n 12 "$out/$name.txt"
    fi
    printf '%s\t%s\t%s\n' "$name" "$status" "$((SECONDS - start))" >>"$out/stages.tsv"
    # After each stage, so that a stop loses nothing.
    [ -n "$dry" ] || "$python" benchmarks/gpu_results.py "$out" >/dev/null
}

make_shards() {
    local models=$out/work/models renders=$out/work/renders
    # Status 3 says that some people could not be used.
    "$python" -m mpc people "$models" --scans $people --rigged 0 --seed 51 || [ $? = 3 ] || return 1
    "$python" -m mpc render "$models" --out "$renders" $render --extent 2.5 --centre surface --renderer embree \
        --layers $layers || [ $? = 3 ] || return 1
    "$python" -m mpc sample "$renders" --out "$out/work/shards" $sample --split 0.34,0.33,0.33 --layers $layers ||
        [ $? = 3 ]
}
export -f make_shards
export out python people render sample layers

run_tests() { stage tests 90 "$python" -m pytest -q -m gpu -p no:cacheprovider $tests; }
run_live() { stage live 60 "$python" benchmarks/live.py --device $device $live; }
run_metrics() { stage metrics 60 "$python" benchmarks/metrics.py $metrics; }

if [ -n "$dry" ]; then
    { run_tests; run_live; run_metrics; } &
else
    run_tests
fi
shards=${SHARDS:-$out/work/shards}
[ -n "${SHARDS:-}" ] || { rm -rf "$out/work"; stage data 150 bash -c make_shards; }
stage train_paper 90 "$python" benchmarks/train.py --shards "$shards" --preset paper $paper
stage train_base 60 "$python" benchmarks/train.py --shards "$shards" --preset base $base
stage frames 90 "$python" benchmarks/reconstruct.py --run models/weights/base --shards "$shards" $frames
[ -n "$dry" ] || { run_live; run_metrics; }
left=$((whole - SECONDS + began - 20)) # the end of the run, and its last validation
minutes=$("$python" -c "print(max($left, 1) / 60)")
stage recipe $(((left + 20) / slack)) "$python" -m mpc train "$shards" --out "$out/work/runs" --name recipe --preset base \
    --config examples/base.toml --device $device --max-minutes "$minutes" $recipe
wait
failed=0
awk -F '\t' '$2 != 0 { bad = 1 } END { exit bad }' "$out/stages.tsv" || failed=3
"$python" benchmarks/gpu_results.py "$out" || failed=3
rm -rf "$out/work"
exit $failed
