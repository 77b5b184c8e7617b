"""BibTeX entries of the telescope, software and catalogues that results rest on; thanks to MAST.

Titles, places and DOIs were looked up in the citation files and pages of the projects. What has no
DOI has an address. jwst, crds and jwmirror are cited with the year in which they were used: their
packages do not say when a version was released.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

ENTRIES = {
    "jwst-mission": """\
@article{jwst-mission,
  author  = {Gardner, J. P. and Mather, J. C. and others},
  title   = {The {James Webb Space Telescope} Mission},
  journal = {Publications of the Astronomical Society of the Pacific},
  year    = {2023}, volume = {135}, pages = {068001},
  doi     = {10.1088/1538-3873/acd1b5}
}""",
    "jwst": """\
@software{jwst,
  author    = {Bushouse, H. and Eisenhamer, J. and Dencheva, N. and others},
  title     = {{JWST} Calibration Pipeline},
  version   = {%(jwst)s},
  year      = {%(year)s},
  publisher = {Zenodo},
  doi       = {10.5281/zenodo.7038885},
  url       = {https://github.com/spacetelescope/jwst}
}""",
    "crds": """\
@misc{crds,
  author = {{Space Telescope Science Institute}},
  title  = {{JWST} Calibration Reference Data System},
  year   = {%(year)s},
  note   = {crds %(crds)s},
  url    = {https://jwst-crds.stsci.edu}
}""",
    "astropy": """\
@article{astropy,
  author  = {{Astropy Collaboration} and Price-Whelan, A. M. and Lim, P. L. and others},
  title   = {The {Astropy} Project: Sustaining and Growing a Community-oriented Open-source Project
             and the Latest Major Release (v5.0) of the Core Package},
  journal = {The Astrophysical Journal},
  year    = {2022}, volume = {935}, pages = {167},
  doi     = {10.3847/1538-4357/ac7c74},
  note    = {astropy %(astropy)s}
}""",
    "astroquery": """\
@article{astroquery,
  author  = {Ginsburg, A. and Sip{\\H{o}}cz, B. M. and Brasseur, C. E. and others},
  title   = {astroquery: An Astronomical Web-querying Package in {Python}},
  journal = {The Astronomical Journal},
  year    = {2019}, volume = {157}, pages = {98},
  doi     = {10.3847/1538-3881/aafc33},
  note    = {astroquery %(astroquery)s}
}""",
    "numpy": """\
@article{numpy,
  author  = {Harris, C. R. and Millman, K. J. and van der Walt, S. J. and others},
  title   = {Array programming with {NumPy}},
  journal = {Nature},
  year    = {2020}, volume = {585}, pages = {357--362},
  doi     = {10.1038/s41586-020-2649-2},
  note    = {numpy %(numpy)s}
}""",
    "snakemake": """\
@article{snakemake,
  author  = {M{\\"o}lder, F. and Jablonski, K. P. and Letcher, B. and others},
  title   = {Sustainable data analysis with {Snakemake}},
  journal = {F1000Research},
  year    = {2021}, volume = {10}, pages = {33},
  doi     = {10.12688/f1000research.29032.2},
  note    = {snakemake %(snakemake)s}
}""",
    "jwmirror": """\
@software{jwmirror,
  author  = {{The jwmirror developers}},
  title   = {jwmirror: a versioned local mirror of {JWST} programs that recalibrates them},
  year    = {%(year)s},
  version = {%(jwmirror)s}
}""",
    "gaia": """\
@article{gaia,
  author  = {{Gaia Collaboration} and Vallenari, A. and others},
  title   = {{Gaia} Data Release 3: Summary of the content and survey properties},
  journal = {Astronomy \\& Astrophysics},
  year    = {2023}, volume = {674}, pages = {A1},
  doi     = {10.1051/0004-6361/202243940}
}""",
}
VERSION = re.compile(r"%\((\w+)\)s")


def bibtex(names: Iterable[str], versions: Mapping[str, str]) -> tuple[str, ...]:
    """Return the lines of the entries of these names, with the versions of packages and the `year`.

    A line with a value that is not known is left out.
    """
    lines = "\n\n".join(ENTRIES[name] for name in names).splitlines()
    known = (line for line in lines if all(versions.get(n) for n in VERSION.findall(line)))
    return tuple(VERSION.sub(lambda found: versions[found[1]], line) for line in known)


def acknowledgement(programs: Sequence[int]) -> str:
    """Return, as LaTeX, the words of archive.stsci.edu/publishing/mission-acknowledgements."""
    numbers = [rf"\#{number}" for number in programs]
    listed = " and ".join(filter(None, (", ".join(numbers[:-1]), *numbers[-1:])))
    return (
        "This work is based on observations made with the NASA/ESA/CSA James Webb Space Telescope. "
        "The data were obtained from the Mikulski Archive for Space Telescopes at the Space "
        "Telescope Science Institute, which is operated by the Association of Universities for "
        "Research in Astronomy, Inc., under NASA contract NAS 5-03127 for JWST. These observations "
        f"are associated with program{'s' * (len(programs) > 1)} {listed or 'YOUR-PROGRAM'}."
    )
