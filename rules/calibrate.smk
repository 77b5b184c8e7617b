"""Calibrate what is out of date, one batch of exposures or of associations per job.

In: a plan, the inputs in the store, the read-only reference cache. Out: results in the store by
key, and a receipt of what was computed and what failed. These jobs need no network: on a cluster
they run on the nodes. A job requests the threads, memory, time and disk that are estimated from the
headers, and from the times of earlier stages in the mirror. An exposure that is killed for lack of
memory is tried again alone. If it is killed again, the job ends, and Snakemake restarts it with a
larger request, as often as `restart-times` in the profile says. A job that is killed as a whole is
restarted, too, with more only of what it was short of. Results that exist are not computed again.
Other failures are in the receipt, and are not repeated.
"""


rule calibrate_batch:
    input:
        plan=RUN.plan("{level}"),
        poll=RUN.poll,
        settling=rules.settle_observations.output.settling,
        references=rules.sync_references.output.references,
    output:
        receipt=RUN.batch("{level}", "{batch}"),
    log:
        str(JOB_LOGS / JOB_LOG),
    benchmark:
        str(JOB_LOGS / "benchmark.tsv")
    conda:
        "../envs/jwmirror.yaml"
    threads: lambda wildcards, input: requested(wildcards, input).threads
    resources:
        attempt=lambda wildcards, attempt: attempt,
        mem_mb=lambda wildcards, input, threads, attempt: round(
            requested(wildcards, input, threads, attempt).memory / 1e6
        ),
        runtime=lambda wildcards, input, threads, attempt: (
            requested(wildcards, input, threads, attempt).minutes
        ),
        disk_mb=lambda wildcards, input, threads: (
            round(requested(wildcards, input, threads).disk / 1e6)
        ),
    params:
        mirror=mirror,
        run=run,
        work=str(SESSION.work),
        scratch=CONFIG.scratch,
        cache=str(CONFIG.cache),
        timeout_s=CONFIG.timeout_s,
        latency_s=latency,
        content=lambda wildcards, input: level_in_words(
            wildcards.level, requested(wildcards, input).chains
        ),
    message:
        "Calibrating {params.content} (batch {wildcards.batch}), with {resources.mem_mb} MB"
    script:
        "../scripts/calibrate_batch.py"
