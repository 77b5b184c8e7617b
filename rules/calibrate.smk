"""Calibrate what is out of date, a batch of exposures or of associations per job.

In: a plan, the inputs in the store, the read-only reference cache. Out: results in the store by
key, and a receipt that says what was computed and what failed. These jobs need no network: on a
cluster they are the ones that go to the nodes. Memory is asked for by estimate, from the shapes
in the headers; a job that was killed for want of it asks for more when Snakemake retries it, and
finds what it has already made in the store.
"""


rule calibrate_batch:
    input:
        plan=f"{RUN}/plan-{{level}}.json",
        references=rules.sync_references.output.references,
    output:
        receipt=f"{RUN}/{{level}}/{{batch}}.json",
    log:
        f"{LOGS}/calibrate_batch/{{level}}-{{batch}}.log",
    conda:
        "../envs/jwmirror.yaml"
    threads: 8
    resources:
        mem_mb=lambda wildcards, input, threads, attempt: memory(
            input.plan, wildcards.batch, threads, attempt
        ),
    params:
        mirror=mirror,
        work=WORK,
        cache=str(CONFIG.cache),
        timeout_s=CONFIG.timeout_s,
    message:
        "Calibrating {wildcards.level}, batch {wildcards.batch}"
    script:
        "../scripts/calibrate_batch.py"
