"""The labs: what a student gets fails with a hint, the solutions pass, and what is wrong doesn't.

Its one invariant: the labs are run as a student runs them; a check that lets a wrong answer pass,
or takes a file's own word for it, fails here.
Read next: guests/labs/README.md, guests/labs/lab.
"""

import re
import shutil
import subprocess

import pytest
from machine import BUILD, REPO, environment

LABS = REPO / "guests/labs"
NAMES = {int(path.name.split("-")[0]): path.name for path in LABS.glob("[1-9]-*")}
NUMBERS = sorted(NAMES)
FILES = ("README.md", "lab.h", "student.c", "check.c")

# Each lab's solution with a mistake: what stands there, what a student wrote, the step that sees it.
MISTAKES = [
    # By the run's addresses: those of step 1 may have the bit that is lost.
    (1, ">> (12 + 9 * level) & 511", ">> (12 + 9 * level) & 255", "[14]"),
    (1, "<< PTE_PPN_SHIFT | PTE_V", "<< PTE_PPN_SHIFT | PTE_KERNEL", 1),
    (1, "if ((*entry & PTE_V) == 0)", "", 3),
    (1, "| flags", "| flags | PTE_KERNEL", 5),
    (2, "= leaf;\n}\n\nvoid remap(", "= leaf;\n\tsfence_vma_page(0);\n}\n\nvoid remap(", 2),
    (2, "\tsfence_vma_page(va);\n}\n\nvoid swap", "}\n\nvoid swap", 3),
    (2, "*(volatile uint64_t *)entry = leaf;\n\tsfence_vma_page(va);",
     "sfence_vma_page(va);\n\t*(volatile uint64_t *)entry = leaf;", 3),
    (2, "\tsfence_vma_page(other);\n", "", 4),
    (3, "(number | 1)", "number", 1),
    (3, "(number | 1)", "(number + 512)", 1),
    (3, "(va | pa)", "pa", 2),
    (3, "(va | pa)", "va", 2),
    (3, "(i << PTE_PPN_SHIFT)", "i", 4),
    (3, ">> 12 << PTE_PPN_SHIFT | PTE_V;", ">> 12 << PTE_PPN_SHIFT | PTE_KERNEL;", 4),
    (4, "return PTE_W;", "return PTE_R;", 2),
    (4, " || (*leaf & PTE_U) != 0", "", 2),
    (4, "PTE_A | PTE_D : PTE_A", "PTE_D : PTE_A", 1),
    (4, "~(PTE_A | PTE_D)", "~PTE_A", 4),
    (4, 'asm volatile("sfence.vma %0, zero" : : "r"(va + 4096ul * i) : "memory");', "(void)va;",
     4),
    (5, "csr_set(CSR_SSTATUS, SSTATUS_SUM);", "csr_read(CSR_SSTATUS);", 1),
    (5, "csr_write(CSR_SSTATUS, before);\n}\n\nuint32_t",
     "csr_write(CSR_SSTATUS, before & ~SSTATUS_SUM);\n}\n\nuint32_t", 2),
    (5, "SSTATUS_SUM | SSTATUS_MXR);", "SSTATUS_SUM);", 3),
    (5, "(access == FETCH || (sstatus & SSTATUS_SUM) == 0)", "(sstatus & SSTATUS_SUM) == 0", 4),
    (6, " || (flags & PTE_U) != 0", "", 1),
    (6, "place == USED_RAM || ", "", 2),
    (6, " || (place == DEVICE && access == FETCH)", "", 3),
    (6, " && access != STORE)", ")", 4),
    (7, "(leaf & 1023);", "PTE_KERNEL;", 3),
    (7, "\tp->shadow[index] = 0;\n", "\t(void)p;\n", 4),
    (7, '\tasm volatile("sfence.vma %0, zero" : : "r"(p->va + 4096ul * index) : "memory");\n', "",
     4),
    (7, "p->shadow[index] = 0;", "for (unsigned i = 0; i < 512; i++)\n\t\tp->shadow[i] = 0;", 5),
    (7, "stored(p, (at - p->va) >> 12 & 511);", "(void)p, (void)at;", 6),
    (8, "== s->g_levels - 1 ? 2047 : 511", "== 9 ? 2047 : 511", 1),
    (8, "given_read(walk_gstage(s, table + 8 * (gva >> shift & 511)))",
     "given_read(table + 8 * (gva >> shift & 511))", 2),
    (8, "s->vs_levels - 1;;", "2;;", 3),
    (8, "vs * (g + 1) + g", "vs * (g + 1)", 5),
    (9, "2047", "511", 1),
    (9, "PTE_V | PTE_U |", "PTE_V |", 2),
    (9, "HSTATUS_SPV | ", "", 2),
    (9, "htval << 2", "htval", 3),
    (9, "(cause == CAUSE_STORE_GUEST_PAGE && !writable)", "false", 5),
    (9, "host == 0 || ", "", 6),
]

# What claims to have passed, by all that a file can do without being given it.
CHEATS = {
    "says so": """
        const char *s = "lab 1: passed\\nproof 0\\n";
        while (*s) *(volatile char *)0x10000000ul = *s++;""",
    "ends the machine": "*(volatile unsigned *)0x100000ul = 0x5555;",
    "calls the kit": "void machine_exit(unsigned); machine_exit(0);",
    "maps by the kit": "struct space s = { 8, 3, root }; space_map(&s, va, pa, 0, flags);",
}


def lab(number, file="student"):
    """Run a lab; return its status and what it says."""
    run = subprocess.run([LABS / "lab", str(number), file], cwd=REPO, capture_output=True,
                         text=True, timeout=120, env=environment(), check=False)
    return run.returncode, run.stdout, run.stderr


def steps(number):
    """The hints of a lab's steps, in order, as they are printed."""
    rows = re.findall(r'^\t\t\{ ("(?:[^"]|"\s*")*"),\s*("(?:[^"]|"\s*")*"),',
                      (LABS / NAMES[number] / "check.c").read_text(), re.MULTILINE)
    return [re.sub(r'"\s*"', "", hint).strip('"') for _, hint in rows]


def variant(number, name, text):
    """Leave @text where `lab N NAME` takes it."""
    path = BUILD / "labs" / NAMES[number] / f"{name}.c"
    path.write_text(text)
    return path


@pytest.mark.parametrize("number", NUMBERS)
def test_labs_are_whole(number):
    folder = LABS / NAMES[number]
    assert all((folder / name).exists() for name in FILES)
    assert (LABS / f"solutions/{NAMES[number]}.c").exists()
    assert f"({NAMES[number]}/README.md)" in (LABS / "README.md").read_text()
    text = (folder / "README.md").read_text()
    assert all(f"**{part}.**" in text for part in ("Task", "Background", "Hint"))
    assert len(steps(number)) >= 4


@pytest.mark.parametrize("number", NUMBERS)
def test_labs_begin_with_a_hint(number):
    status, out, err = lab(number)
    assert status == 1 and not err, (status, out, err)
    assert f"     hint: {steps(number)[0]}\n" in out, out
    assert re.search(rf"^lab {number}: not yet", out, re.MULTILINE)


@pytest.mark.parametrize("number", NUMBERS)
def test_labs_are_solved(number):
    status, out, err = lab(number, "solution")
    assert status == 0 and not err, (status, out, err)
    assert f"ok   {len(steps(number))} " in out and out.endswith(f"lab {number}: passed\n")


@pytest.mark.parametrize("index", range(len(MISTAKES)),
                         ids=[f"{n}-{step}" for n, _, _, step in MISTAKES])
def test_labs_see_mistakes(index):
    number, right, wrong, step = MISTAKES[index]
    solution = (LABS / f"solutions/{NAMES[number]}.c").read_text()
    assert right in solution, right
    name = f"mistake-{index}"
    variant(number, name, solution.replace(right, wrong))
    status, out, err = lab(number, name)  # err: what the compiler warns of
    assert status == 1, (status, out, err)
    assert re.search(rf"^no   {step} ", out, re.MULTILINE), out


@pytest.mark.parametrize("cheat", CHEATS)
def test_labs_believe_no_words(cheat):
    name = re.sub(r"\W", "-", cheat)
    given = (LABS / "1-sv39/student.c").read_text()
    variant(1, name, given.replace("/* Your code: down", CHEATS[cheat] + "\n\t/* down"))
    status, out, err = lab(1, name)
    assert status == 1 and not err, (status, out, err)
    assert out.endswith("lab 1: not yet (guests/labs/1-sv39/README.md)\n")


def test_labs_say_what_is_wrong():
    """A file that doesn't compile, one that never ends, and a lab that there isn't."""
    given = (LABS / "1-sv39/student.c").read_text()
    variant(1, "broken", given.replace("(void)root;", "no such thing"))
    status, _, err = lab(1, "broken")
    assert status == 2 and "it doesn't build" in err
    variant(1, "library", "#include <stdio.h>\n" + given)
    status, _, err = lab(1, "library")
    assert status == 2 and "stdio.h: No such file" in err, err
    variant(1, "endless", given.replace("(void)root;", "for (;;)\n\t\t;"))
    status, out, _ = lab(1, "endless")
    assert status == 1 and "it doesn't end within" in out
    for number in (0, 10, "x"):
        status, _, err = lab(number)
        assert status == 2 and f"there is no lab {number}; there are 1 to 9" in err
    status, _, err = lab(1, "missing.c")
    assert status == 2 and "there is no build/labs/1-sv39/missing.c" in err


def test_labs_help_to_look_inside():
    """What a student's code prints is shown, and where it takes an exception."""
    given = (LABS / "1-sv39/student.c").read_text()
    lines = given.replace("(void)root;", 'print("level %d of %lx\\n", 2, va);\n'
                          "\t*(volatile uint64_t *)(pa | 1ul << 40) = 0;")
    variant(1, "looks", lines)
    status, out, err = lab(1, "looks")
    line = lines[:lines.index("volatile")].count("\n") + 1
    assert status == 1 and not err, (status, out, err)
    assert re.search(r"^level 2 of 10[0-9a-f]{8}\n     your code took an exception: scause 7"
                     rf" \(store access fault\), sepc [0-9a-f]+ \(looks\.c:{line}\), stval 100[0-9a-f]+$",
                     out, re.MULTILINE), out


def test_labs_by_make():
    """`make lab` passes the verdict on."""
    make = shutil.which("make")
    for file, status in (("solution", 0), ("student", 2)):
        run = subprocess.run([make, "-s", "lab", "N=3", f"FILE={file}"], cwd=REPO,
                             capture_output=True, timeout=120, env=environment(), check=False)
        assert run.returncode == status, run.stderr
    run = subprocess.run([make, "-s", "lab"], cwd=REPO, capture_output=True, text=True, timeout=120,
                         env=environment(), check=False)
    assert run.returncode == 2 and "usage: make lab N=1" in run.stderr
