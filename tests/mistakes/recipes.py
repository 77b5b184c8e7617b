"""Mistakes in recipes: stages, parameters, files and code of the user."""

from functools import partial

from tests.mistakes.folders import file, more
from tests.mistakes.mistake import Mistake, Section

check = partial(Mistake, command="jwmirror check")
OLD_FILE = """\
class: jwst.pipeline.Image2Pipeline
name: Image2Pipeline
parameters: {save_results: true}
steps: []
"""

SECTION = Section(
    "Recipes and parameters",
    (
        check(
            what="A parameter misspelt",
            prepare=more(
                """\
                recipes:
                  deep:
                    parameters: {detector1: {jump: {rejection_treshold: 5.0}}}
                """
            ),
            where="line 5: recipes.deep.parameters.detector1.jump",
            found="'rejection_treshold'",
            step="did you mean 'rejection_threshold'?",
        ),
        check(
            what="A parameter of another step",
            prepare=more("recipes: {deep: {parameters: {detector1: {jump: {firstgroup: 1}}}}}\n"),
            where="line 3: recipes.deep.parameters.detector1.jump",
            found="'firstgroup'",
            step="ramp_fit",
        ),
        check(
            what="A parameter directly below its pipeline",
            prepare=more("recipes: {deep: {parameters: {detector1: {rejection_threshold: 5}}}}\n"),
            where="line 3: recipes.deep.parameters.detector1",
            found="'rejection_threshold'",
            step="jump",
        ),
        check(
            what="A step of another pipeline",
            prepare=more("recipes: {deep: {parameters: {detector1: {tweakreg: {skip: true}}}}}\n"),
            where="line 3: recipes.deep.parameters.detector1",
            found="'tweakreg'",
            step="image3",
        ),
        check(
            what="A step misspelt",
            prepare=more("recipes: {deep: {parameters: {detector1: {jumps: {skip: true}}}}}\n"),
            where="line 3: recipes.deep.parameters.detector1",
            found="'jumps'",
            step="did you mean 'jump'?",
        ),
        check(
            what="A pipeline misspelt",
            prepare=more("recipes: {deep: {parameters: {detektor1: {jump: {skip: true}}}}}\n"),
            where="line 3: recipes.deep.parameters",
            found="'detektor1'",
            step="did you mean 'detector1'?",
        ),
        check(
            what="A pipeline beside `parameters`",
            prepare=more("recipes: {deep: {detector1: {jump: {skip: true}}}}\n"),
            where="line 3: recipes.deep",
            found="'detector1'",
            step="`parameters: {detector1: ...}`",
        ),
        check(
            what="Text where a number belongs",
            prepare=more(
                "recipes: {deep: {parameters: {detector1: {jump: {rejection_threshold: five}}}}}\n"
            ),
            where="line 3: recipes.deep.parameters.detector1.jump.rejection_threshold",
            found="'five'",
            step="a number",
        ),
        check(
            what="A word that is no choice of the parameter",
            prepare=more(
                "recipes: {deep: {parameters: {detector1: {ramp_fit: {algorithm: OLS_D}}}}}\n"
            ),
            where="line 3: recipes.deep.parameters.detector1.ramp_fit.algorithm",
            found="'OLS_D'",
            step="OLS_C",
        ),
        check(
            what="A list where one number belongs",
            prepare=more(
                "recipes: {deep: {parameters: {detector1: {jump: {rejection_threshold: [5, 6]}}}}}"
            ),
            where="line 3: recipes.deep.parameters.detector1.jump.rejection_threshold",
            found="[5, 6]",
            step="a number",
        ),
        check(
            what="A switch with a word that is neither true nor false",
            prepare=more("recipes: {deep: {parameters: {detector1: {jump: {skip: maybe}}}}}\n"),
            where="line 3: recipes.deep.parameters.detector1.jump.skip",
            found="'maybe'",
            step="true or false",
        ),
        check(
            what="A parameter that this jwst no longer has",
            prepare=more(
                "recipes: {deep: {parameters: {image3: {resample: {allowed_memory: 0.5}}}}}\n"
            ),
            where="line 3: recipes.deep.parameters.image3.resample",
            found="allowed_memory",
            step="remove it",
        ),
        check(
            what="The values of a step are missing",
            prepare=more("recipes: {deep: {parameters: {detector1: {jump: true}}}}\n"),
            where="line 3: recipes.deep.parameters.detector1.jump",
            found="true",
            step="{jump: {skip: true}}",
        ),
        check(
            what="A stage by its name",
            prepare=more("recipes: {deep: {stages: [detector1, image2]}}\n"),
            where="line 3: recipes.deep.stages[0]",
            found="'detector1'",
            step="1",
        ),
        check(
            what="A stage that does not exist",
            prepare=more("recipes: {deep: {stages: [1, 2, 4]}}\n"),
            where="line 3: recipes.deep.stages",
            found="4",
            step="1, 2, 3",
        ),
        check(
            what="A stage left out between two others",
            prepare=more("recipes: {deep: {stages: [1, 3]}}\n"),
            where="line 3: recipes.deep.stages",
            found="[1, 3]",
            step="add 2",
        ),
        check(
            what="A recipe that extends itself",
            prepare=more("recipes: {deep: {extends: deep}}\n"),
            where="line 3: recipes.deep",
            found="extends itself",
            step="name another",
        ),
        check(
            what="Two recipes that extend each other",
            prepare=more("recipes: {deep: {extends: wide}, wide: {extends: deep}}\n"),
            where="line 3: recipes.deep",
            found="deep -> wide -> deep",
            step="name another",
        ),
        check(
            what="A recipe that extends one that does not exist",
            prepare=more("recipes: {deep: {}, wide: {extends: deeep}}\n"),
            where="line 3: recipes.wide.extends",
            found="'deeep'",
            step="did you mean 'deep'?",
        ),
        check(
            what="A recipe with a space in its name",
            prepare=more("recipes: {my deep: {}}\n"),
            where="line 3",
            found="'my deep'",
            step="a name of lowercase letters",
        ),
        check(
            what="A recipe with the name of MAST's files",
            prepare=more("recipes: {upstream: {}}\n"),
            where="line 3",
            found="'upstream'",
            step="not `upstream`",
        ),
        check(
            what="The recipes as a list",
            prepare=more("recipes:\n  - deep:\n      stages: [1]\n"),
            where="line 4: recipes",
            found='[{"deep": {"stages": [1]}}]',
            step="such as {deep: {stages: [1, 2]}}",
        ),
        check(
            what="A recipe of a program that is not mirrored",
            prepare=more("recipes: {deep: {programs: [2107]}}\n"),
            where="line 3: recipes.deep.programs",
            found="2107",
            step="1345",
        ),
        check(
            what="A where-block on a header keyword",
            prepare=more(
                "recipes: {deep: {where: [{match: {FILTR: F200W}, "
                "parameters: {detector1: {jump: {skip: true}}}}]}}\n"
            ),
            where="line 3: recipes.deep.where[0].match",
            found="'FILTR'",
            step="filter",
        ),
        check(
            what="A filter that does not exist",
            prepare=more(
                "recipes: {deep: {where: [{match: {filter: F201W}, "
                "parameters: {detector1: {jump: {skip: true}}}}]}}\n"
            ),
            where="line 3: recipes.deep.where[0].match.filter",
            found="'F201W'",
            step="'F200W'",
        ),
        check(
            what="An exposure left out without a reason",
            prepare=more('recipes: {deep: {exclude: [{file: "jw01345001001_*"}]}}\n'),
            where="line 3: recipes.deep.exclude[0]",
            found="missing key because",
            step="because: guide star lost",
        ),
        check(
            what="A parameter file that is not there",
            prepare=more("recipes: {deep: {parameters: {image2: pars/image2.asdf}}}\n"),
            where="/home/you/jwst/pars/image2.asdf",
            found="No such file or directory",
            step="export_config writes",
        ),
        check(
            what="A parameter file of another pipeline",
            prepare=more(
                "recipes: {deep: {parameters: {detector1: image2.yaml}}}\n",
                file("image2.yaml", OLD_FILE),
            ),
            where="image2.yaml",
            found="Image2Pipeline",
            step="detector1",
        ),
        check(
            what="An override file that is not there",
            prepare=more(
                "recipes: {deep: {parameters: {detector1: {dark_current: "
                "{override_dark: my_dark.fits}}}}}\n"
            ),
            where="/home/you/jwst/my_dark.fits",
            found="No such file or directory",
            step="or N/A for none",
        ),
        check(
            what="An override file in the home folder, with ~",
            prepare=more(
                "recipes: {deep: {parameters: {detector1: {dark_current: "
                "{override_dark: ~/my_dark.fits}}}}}\n"
            ),
            where="line 3: recipes.deep.parameters.detector1.dark_current.override_dark",
            found="~/my_dark.fits",
            step="/home/you/my_dark.fits",
        ),
        check(
            what="A hook in a module that does not exist",
            prepare=more(
                "recipes: {deep: {parameters: {detector1: {jump: {post_hooks: [my_step.fix]}}}}}\n"
            ),
            where="line 3: recipes.deep.parameters.detector1.jump.post_hooks",
            found="my_step.fix",
            step="on PYTHONPATH",
        ),
        check(
            what="A function between two pipelines that does not exist in its module",
            prepare=more(
                'recipes: {deep: {between: {"detector1..image2": fix_stripes.fix}}}\n',
                file("fix_stripes.py", "def fix_stripes(model):\n    return model\n"),
            ),
            where="line 3: recipes.deep.between",
            found="fix",
            step="fix_stripes",
        ),
        check(
            what="Your own associations, not there",
            prepare=more("recipes: {deep: {associations: [my_asn.json]}}\n"),
            where="/home/you/jwst/my_asn.json",
            found="No such file or directory",
            step="correct it",
        ),
        check(
            what="A Python environment that is not there",
            prepare=more(
                "environments: {old: /home/you/jwst/envs/jwst-1.18/bin/python}\n"
                "recipes: {deep: {environment: old}}\n"
            ),
            where="environments.old",
            found="/home/you/jwst/envs/jwst-1.18/bin/python",
            step="write /home/you/jwst/envs/jwst-1.18",
        ),
        check(
            what="A setting that names a recipe that does not exist",
            command="jwmirror check --set deeep.detector1.jump.skip=true",
            prepare=more("recipes: {deep: {}}\n"),
            where="set ",
            found="'deeep'",
            step="did you mean 'deep'?",
        ),
        check(
            what="A setting without its recipe",
            command="jwmirror check --set detector1.jump.skip=true",
            prepare=more("recipes: {deep: {}}\n"),
            where="set ",
            found="the pipeline detector1 without its recipe",
            step="write deep.detector1",
        ),
        check(
            what="A setting without a value",
            command="jwmirror check --set deep.detector1.jump.skip",
            prepare=more("recipes: {deep: {}}\n"),
            where="set ",
            found="deep.detector1.jump.skip:",
            step="=",
        ),
        Mistake(
            what="Parameters of a step that does not exist",
            command="jwmirror params detector1.jmp",
            where="detector1",
            found="'jmp'",
            step="did you mean 'jump'?",
        ),
        Mistake(
            what="Parameters of a pipeline that does not exist",
            command="jwmirror params image4",
            where="image4",
            found="'image4'",
            step="did you mean 'image3'?",
        ),
        Mistake(
            what="A parameter that does not exist",
            command="jwmirror params detector1.jump.rejection",
            where="detector1.jump",
            found="'rejection'",
            step="'rejection_threshold'",
        ),
    ),
)
