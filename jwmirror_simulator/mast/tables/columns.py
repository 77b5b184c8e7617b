"""Names, order and types of the columns of MAST's tables."""

from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]  # by column; a cell is any JSON value


@dataclass(frozen=True)
class Column:
    """Name of a column, and its type in the Portal's spelling."""

    name: str
    type: str = "string"  # string, int, float, boolean
    separator: str | None = None  # between several values in one cell


def _typed(text: str) -> tuple[Column, ...]:
    """Parse lines of `type: name name...`, keeping the order; a name may end in a separator."""
    columns = []
    for line in text.strip().splitlines():
        kind, names = line.split(":", 1)
        for name in names.split():
            bare = name.rstrip(";")
            columns.append(Column(bare, kind.strip(), ";" if bare != name else None))
    return tuple(columns)


OBSERVATIONS = _typed("""
string: intentType obs_collection; provenance_name instrument_name project; filters;
string: wavelength_region; target_name target_classification; obs_id
float: s_ra s_dec
string: dataproduct_type proposal_pi
int: calib_level
float: t_min t_max t_exptime em_min em_max
string: obs_title
float: t_obs_release
string: proposal_id proposal_type
int: sequence_number
string: s_region jpegURL dataURL dataRights
boolean: mtFlag
float: srcDen
string: obsid objID
""")
DISTANCE = (Column("distance", "float"),)

PRODUCTS = _typed("""
string: obsID obs_collection dataproduct_type obs_id description type dataURI productType
string: productGroupDescription productSubGroupDescription productDocumentationURL project
string: prvversion proposal_id productFilename
int: size
string: parent_obsid dataRights
int: calib_level
string: filters
""")

INTEGERS = """
ArchiveFileID FileSetId FileTypeID cont_id datamode detxcor detxsiz detycor detysiz
drpfrms1 drpfrms3 dsetstrt expcount exposure exsegnum exsegtot fa1value fa2value fa3value fam_la1
fam_la2 fam_la3 fastaxis fastep1 fastep2 fastep3 fcsrlpos fileSize frmdivsr groupgap gs_order intend
intstart mirnfrms mirngrps msaconid msametid mstr_ilv mstr_rd1 mstr_rd2 mstr_rpt mstr_sk1 mstr_sk2
nexposur nextend nframes ngroups nints noutputs nresets nrimdtpt nrs_norm nrs_ref nrststrt nsamples
numdsets numdthpt numrefst observtn patt_num pattnpts pattstrt pridtpts program rma_pos sca_num
slowaxis spat_num spatnstp spec_num specnstp sstr_nst sstr_stp subpxpts subsize1 subsize2 substrt1
substrt2 visit vparity
"""
FLOATS = """
bartdelt bendtime bkgd_scl bkglevel bmidtime bstrtime dataend datastrt dec_ddc dec_j1 dec_v1
duration effexptm effinttm expend expmid expstart extncrs faunit1 faunit2 faunit3 focuspos fwcpos
gainfact gs_dec gs_mag gs_mudec gs_mura gs_para gs_ra gs_udec gs_umag gs_ura gs_v3_pa gscentx
gscenty gsidl_x gsidl_y gwa_pxav gwa_pyav gwa_tilt gwa_xp_v gwa_xtil gwa_yp_v gwa_ytil helidelt
hendtime hmidtime hstrtime jittravg jittrmax jittrmin mu_dec mu_ra nwfsest pa_aper pa_j3 pa_v3
pixfrac primecrs prop_dec prop_ra pwcpos pwfseet pxsclrt ra_ddc ra_j1 ra_v1 sctarate spatstep
spcoffst specstep sptoffst targ_dec targ_ra targudec targura tframe tgroup tmeasure tsample v2_ref
v3_ref v3i_yang va_dec va_ra xoffset yoffset
"""
BOOLEANS = "isRestricted isItar isStale isJitter"  # of the archive; of the header: 't' and 'f'

FILE = """
ArchiveFileID filename fileSetName productLevel fileSize checksum ingestStartDate
ingestStartDate_mjd ingestCompletionDate ingestCompletionDate_mjd FileTypeID publicReleaseDate
publicReleaseDate_mjd isRestricted isItar isStale FileSetId dataURI
"""
EXPOSURE = """
act_id apername asnpool asntable bartdelt bendtime bkgd_scl bkgdtarg bkglevel bkgmeth bkgsub
bmidtime bstrtime cal_ver cal_vcs category compress cont_id crds_ctx crds_ver crowdfld datamode
datamodl dataprob date date_mjd date_beg date_beg_mjd date_end date_end_mjd date_obs date_obs_mjd
detector dirimage drpfrms1 drpfrms3 duration effexptm effinttm eng_qual engqlptg errtype exp_only
exp_type expcount expend expmid exposure expripar expstart expsteng expsteng_mjd exsegnum exsegtot
extncrs fastaxis filter frmdivsr gainfact gdstarid groupgap gs_dec gs_mag gs_order gs_ra gs_udec
gs_umag gs_ura gs_v3_pa gsc_ver gsendtim gsendtim_mjd gsstrttm gsstrttm_mjd helidelt hendtime
hga_move hmidtime hstrtime instrume intarget intend intstart is_psf lamp masterbg mstr_ilv mstr_rd1
mstr_rd2 mstr_rpt mstr_sk1 mstr_sk2 mtshadow mu_dec mu_epoch mu_epoch_mjd mu_ra nexposur nextend
nframes ngroups nints noutputs nresets nrststrt nsamples numdthpt nwfsest obs_id observtn obsfoldr
obslabel opmode origin osf_file oss_ver patt_num pattsize patttype pcs_mode pi_name pixfrac pps_aper
prd_ver pridtpts primecrs program prop_dec prop_ra pwfseet pxsclrt readpatt rois roiw s_region
sca_num scatfile scicat sctarate sdp_ver segmfile selfref seq_id slowaxis srctyapt sstr_nst sstr_stp
subarray subcat subpxpts subsize1 subsize2 substrt1 substrt2 targ_dec targ_ra targcat targdesc
targname targoopp targprop targtype targudec targura tcatfile telescop template texptime tframe
tgroup timesys title tmeasure tsample tsovisit va_dec va_ra visit visit_id visitend visitend_mjd
visitgrp visitsta visitype vststart vststart_mjd wpower wtype xoffset yoffset zerofram
"""
EXTRA = {
    "Nircam": """
        channel coronmsk fa1value fa2value fa3value fam_la1 fam_la2 fam_la3 faphase1 faphase2
        faphase3 fastep1 fastep2 fastep3 faunit1 faunit2 faunit3 module pilin pridtype pupil
        smgrdpat subpxpat
    """,
    "Nirspec": """
        dithpnts fcsrlpos focuspos fxd_slit grating gwa_pxav gwa_pyav gwa_tilt gwa_xp_v gwa_xtil
        gwa_yp_v gwa_ytil hybridff is_imprt msacfg10 msaconid msametfl msametid msastate nod_type
        nrs_norm nrs_ref pattstrt ppsdbver preimage rma_pos spat_num spec_num subpxpat
    """,
    "Niriss": """
        arrname calib content focuspos fwcpos insmode nrimdtpt object observer pupil pwcpos
    """,
    "Miri": """
        band cccstate channel cmd_tsel coronmsk detmode dithdirc dithopfr dithpnts dsetstrt fpe_side
        ice_side mirnfrms mirngrps mrsprchn numdsets pattnpts pattstrt spat_num spatnstp spatstep
        spcoffst spec_num specnstp specstep sptoffst
    """,
    "Fgs": "focuspos",
}
GUIDE_STAR = """
ArchiveFileID fileName fileSetName productLevel fileSize checksum ingestStartDate_mjd
ingestCompletionDate_mjd FileTypeID publicReleaseDate_mjd isRestricted isItar isStale FileSetId
isJitter dataURI apername cal_ver cal_vcs category compress cont_id crds_ctx crds_ver crowdfld
dataend datamode datamodl dataprob datastrt date_beg_mjd date_end_mjd date_mjd date_obs_mjd ddcfldpt
dec_ddc dec_j1 dec_v1 detector detxcor detxsiz detycor detysiz drpfrms1 drpfrms3 duration effinttm
eng_qual exp_type fastaxis fgs_aper focuspos gdstarid gf_end gf_end_mjd gf_start gf_start_mjd
groupgap gs_dec gs_epoch gs_epoch_mjd gs_mag gs_mudec gs_mura gs_order gs_para gs_ra gs_udec gs_umag
gs_ura gs_v3_pa gsacstat gsc_ver gscentx gscenty gsendtim_mjd gsidl_x gsidl_y gsstrttm_mjd guidesta
hga_move hga_stop hga_stop_mjd hga_strt hga_strt_mjd instrume intarget intend intstart jittravg
jittrmax jittrmin nexposur nextend nframes ngroups nints nresets nrststrt nsamples numrefst obs_id
obsfoldr observtn obslabel origin oss_ver pa_aper pa_j3 pa_v3 pcs_mode pi_name pointtim pointtim_mjd
prd_ver program ra_ddc ra_j1 ra_v1 readpatt sca_num scicat sdp_ver slowaxis subarray subcat subsize1
subsize2 substrt1 substrt2 targoopp telescop tframe tgroup timesys title tmeasure tsample v2_ref
v3_ref v3i_yang va_dec va_ra visit visit_id visitend_mjd visitsta visitype vparity vststart_mjd
zerofram
"""


def _table(*blocks: str) -> tuple[Column, ...]:
    """Return columns in the order of their names in `blocks`, each with its type."""
    kinds = dict.fromkeys(INTEGERS.split(), "int")
    kinds |= dict.fromkeys(FLOATS.split(), "float") | dict.fromkeys(BOOLEANS.split(), "boolean")
    names = [name for block in blocks for name in block.split()]
    return tuple(
        Column(name, "float" if name.endswith("_mjd") else kinds.get(name, "string"))
        for name in names
    )


KEYWORDS = {name: _table(FILE, EXPOSURE, extra) for name, extra in EXTRA.items()}
KEYWORDS["GuideStar"] = _table(GUIDE_STAR)

FILESETS = _typed("""
int: ArchiveFileID
string: fileSetName productLevel targprop
float: targ_ra targ_dec
string: instrume exp_type opticalElements date_obs
float: duration
int: program observtn visit
string: publicReleaseDate pi_name proposal_type
int: proposal_cycle
string: targtype access cal_ver
float: ang_sep
string: s_region
""")
