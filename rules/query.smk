"""Ask MAST what the config's programs have, and how that differs from the mirror.

In: the archive, the current generation. Out: the poll (listings and changes, with reasons) and
the orders, one per observation that has something to fetch.
"""


localrules:
    query_archive,


checkpoint query_archive:
    output:
        poll=RUN.poll,
        orders=RUN.orders,
    log:
        f"{SESSION.logs}/query_archive.log",
    retries: 0
    conda:
        "../envs/jwmirror.yaml"
    params:
        mirror=mirror,
        run=run,
        url=CONFIG.archive_url,
        token_socket=SESSION.token_socket,
        token_variable=CONFIG.token_variable,
        downloads=CONFIG.downloads,
        keep_free=CONFIG.keep_free,
        when_deselected=CONFIG.when_deselected,
        fetch_gb=CONFIG.max_fetch_gb,
        selections=canonical(CONFIG.selections),
        searches=canonical(CONFIG.searches),
        vanish_limit=CONFIG.vanish_limit,
        accept_vanished=canonical(CONFIG.accept_vanished),
        accept_refused=canonical(CONFIG.accept_refused),
        recheck=CONFIG.recheck,
    message:
        "Asking {params.url} what the programs have"
    script:
        "../scripts/query_archive.py"
