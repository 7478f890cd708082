//! libfolio as others find it: its names, its header, pkg-config, CMake.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use common::{C, CPP, Installed, has, output, run, source};

/// The functions that folio.h declares.
fn declared() -> BTreeSet<String> {
    let header = fs::read_to_string(source("include/folio.h")).unwrap();
    let code = header.split("/*").map(|part| part.split_once("*/").map_or(part, |(_, code)| code));
    let code: String = code.collect();
    let words = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '('));
    let names = words.filter_map(|word| Some(word.trim_start_matches('(').split_once('(')?.0));
    names.filter(|name| name.starts_with("folio_")).map(str::to_owned).collect()
}

#[test]
fn the_shared_library_exports_the_names_of_the_header_with_versions_and_no_others() {
    if !has("objdump") {
        return;
    }
    let installed = Installed::new("names");
    let table = output(Command::new("objdump").arg("-T").arg(installed.library()));
    let mut exported = BTreeSet::new();
    for line in table.lines().filter(|line| line.contains(" g ") || line.contains(" w ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.contains("*UND*") || line.contains("*ABS*") {
            continue;
        }
        let [.., version, name] = words[..] else { panic!("{line}") };
        assert_eq!(version, "FOLIO_0.1", "{line}");
        exported.insert(name.to_owned());
    }
    assert_eq!(exported, declared());
    assert!(exported.contains("folio_mremap") && exported.len() > 20);
}

#[test]
fn the_static_library_defines_the_names_of_the_header_and_no_others() {
    if !has("objdump") {
        return;
    }
    let installed = Installed::new("static-names");
    let table = output(Command::new("objdump").arg("-t").arg(installed.path("usr/lib/libfolio.a")));
    // ADDRESS FLAGS SECTION SIZE NAME, where the flags begin with l, g, u, ! or a space.
    let global = |line: &&str| matches!(line.as_bytes().get(17), Some(b'g' | b'u' | b'!'));
    let weak = |line: &&str| line.as_bytes().get(18) == Some(&b'w');
    let names = table.lines().filter(|line| global(line) || weak(line));
    let names = names.filter(|line| !line.contains("*UND*"));
    let names: BTreeSet<_> =
        names.filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect();
    assert_eq!(names, declared());
}

#[test]
fn the_shared_library_has_a_soname_and_stays_loaded() {
    if !has("readelf") {
        return;
    }
    let installed = Installed::new("soname");
    let dynamic = output(Command::new("readelf").arg("-dW").arg(installed.library()));
    assert!(dynamic.contains("Library soname: [libfolio.so.0]"), "{dynamic}");
    assert!(dynamic.contains("NODELETE") && dynamic.contains("NOW"), "{dynamic}");
    let link = fs::read_link(installed.path("usr/lib/libfolio.so")).unwrap();
    assert_eq!(link.to_str(), Some("libfolio.so.0"));
}

#[test]
fn the_headers_are_c11_and_cpp17_with_and_without_feature_macros() {
    let features: [&[&str]; 4] = [
        &[],
        &["-D_FILE_OFFSET_BITS=64"],
        &["-D_GNU_SOURCE"],
        &["-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64", "-D_LARGEFILE64_SOURCE"],
    ];
    let installed = Installed::new("headers");
    let file = installed.path("work/header");
    for header in ["folio.h", "folio_names.h"] {
        fs::write(&file, format!("#include <{header}>\n#include <{header}>\n")).unwrap();
        for (compiler, language, flags) in [("cc", "c", C), ("c++", "c++", CPP)] {
            if !has(compiler) {
                continue;
            }
            for features in features {
                let mut compile = Command::new(compiler);
                compile.args(flags).args(features).args(["-fsyntax-only", "-x", language, "-I"]);
                output(compile.arg(installed.path("usr/include")).arg(&file));
            }
        }
    }
}

#[test]
fn the_example_in_the_manual_counts_lines() {
    let header = fs::read_to_string(source("include/folio.h")).unwrap();
    let lines = header.lines().skip_while(|line| !line.starts_with(" *     #include"));
    let lines = lines.take_while(|line| line.starts_with(" *     ") || *line == " *");
    let example: String =
        lines.map(|line| line.get(7..).unwrap_or_default().to_owned() + "\n").collect();
    assert!(example.ends_with("}\n\n"), "{example}");

    let installed = Installed::new("manual");
    let file = installed.path("work/lines.c");
    fs::write(&file, &example).unwrap();
    let program = installed.program(&file, &C);
    let text = installed.path("work/text");
    fs::write(&text, "one\ntwo\nthree\n").unwrap();
    assert_eq!(output(Command::new(&program).arg(&text)), "3 lines\n");
    if has("c++") {
        let mut compile = Command::new("c++");
        compile.args(CPP).args(["-fsyntax-only", "-x", "c++", "-I"]);
        output(compile.arg(installed.path("usr/include")).arg(&file));
    }
}

#[test]
fn existing_sources_call_libfolio_through_folio_names_h() {
    if !has("objdump") {
        return;
    }
    let installed = Installed::new("renamed");
    let file = installed.path("work/old.c");
    fs::write(
        &file,
        r#"
        #include <sys/mman.h>
        #include <unistd.h>
        int main(void)
        {
            void *(*map)(void *, size_t, int, int, int, off_t) = mmap;
            char *a = map(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            char *b = mmap64(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            a = mremap(a, 4096, 8192, MREMAP_MAYMOVE);
            a[4096] = 1;
            return a == MAP_FAILED || b == MAP_FAILED || munmap(a, 8192) || munmap(b, 4096);
        }
        "#,
    )
    .unwrap();
    for more in [&[][..], &["-D_FILE_OFFSET_BITS=64"]] {
        let flags = [&C[..], &["-D_GNU_SOURCE", "-include", "folio_names.h"], more].concat();
        let program = installed.program(&file, &flags);
        output(&mut Command::new(&program));
        let needed = output(Command::new("objdump").arg("-T").arg(&program));
        let names = needed.lines().filter_map(|line| line.split_whitespace().last());
        let names: BTreeSet<&str> = names.filter(|name| name.contains("map")).collect();
        let ours = ["folio_mmap", "folio_mremap", "folio_munmap"];
        assert_eq!(names, BTreeSet::from(ours), "{needed}");
    }
}

#[test]
fn header_and_library_and_package_have_one_version() {
    let header = fs::read_to_string(source("include/folio.h")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(header.contains(&format!("#define FOLIO_VERSION \"{version}\"\n")));
    let numbers = ["MAJOR", "MINOR", "PATCH"].iter().zip(version.split('.'));
    for (name, number) in numbers {
        assert!(header.contains(&format!("#define FOLIO_VERSION_{name} {number}\n")), "{name}");
    }
}

const CONSUMER: &str = r#"
#undef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#include <folio.h>
#include <stdio.h>
int main(void)
{
    char *bytes = (char *)folio_mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct folio_fault fault;
    char byte = 1;
    ssize_t done = folio_read(&byte, bytes, 1, &fault);
    printf("%s %d %d %d\n", folio_version(), (int)done, byte, folio_munmap(bytes, 4096));
    return 0;
}
"#;

#[test]
fn pkg_config_serves_shared_and_static_programs_of_c_and_cpp() {
    if !has("pkg-config") {
        return;
    }
    let installed = Installed::new("pkg-config");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(installed.pkg_config(&["--modversion"]), [version]);
    for (compiler, file) in [("cc", "consumer.c"), ("c++", "consumer.cpp")] {
        if !has(compiler) {
            continue;
        }
        let file = installed.path("work").join(file);
        fs::write(&file, CONSUMER).unwrap();
        let program = installed.path("work/consumer");
        for kind in ["", "-static", "-static-pie"] {
            let mut compile = Command::new(compiler);
            let linking = if kind.is_empty() { None } else { Some("--static") };
            let asked = ["--cflags", "--libs"].into_iter().chain(linking);
            let flags = installed.pkg_config(&asked.collect::<Vec<_>>());
            compile.args(kind.split_terminator(' ')).arg(&file).arg("-o").arg(&program).args(flags);
            // No C library for static programs is no fault of libfolio's.
            let compiled = run(&mut compile);
            let errors = String::from_utf8_lossy(&compiled.stderr);
            if !kind.is_empty() && !compiled.status.success() && errors.contains("-lc") {
                common::skip(format_args!("a static C library ({compiler} {kind})"));
                continue;
            }
            assert!(compiled.status.success(), "{compile:?}: {errors}");
            let mut run = Command::new(&program);
            run.env("LD_LIBRARY_PATH", installed.path("usr/lib"));
            assert_eq!(output(&mut run), format!("{version} 1 0 0\n"));
        }
    }
}

#[test]
fn cmake_finds_the_shared_and_the_static_library() {
    if !has("cmake") {
        return;
    }
    let installed = Installed::new("cmake");
    let project = installed.path("work");
    fs::write(project.join("consumer.c"), CONSUMER).unwrap();
    fs::write(
        project.join("CMakeLists.txt"),
        "cmake_minimum_required(VERSION 3.13)
        project(consumer C)
        find_package(folio 0.1 REQUIRED)
        add_executable(shared consumer.c)
        target_link_libraries(shared folio::folio)
        add_executable(static consumer.c)
        target_link_libraries(static folio::folio_static)
        find_package(folio 0.2 QUIET)
        if(folio_FOUND)
            message(FATAL_ERROR \"0.1 is no 0.2\")
        endif()\n",
    )
    .unwrap();
    let build = installed.path("work/build");
    let prefix = format!("-DCMAKE_PREFIX_PATH={}", installed.path("usr").display());
    output(Command::new("cmake").arg(prefix).arg("-S").arg(&project).arg("-B").arg(&build));
    output(Command::new("cmake").arg("--build").arg(&build));
    for program in ["shared", "static"] {
        let said = output(&mut Command::new(build.join(program)));
        assert_eq!(said, format!("{} 1 0 0\n", env!("CARGO_PKG_VERSION")), "{program}");
    }
}

#[test]
fn install_puts_all_files_below_destdir_and_names_the_prefix_in_them() {
    let installed = Installed::new("destdir");
    let root = installed.path("root");
    let mut install = Command::new(source("install"));
    install.arg("--archive").arg(common::archive()).arg("--destdir").arg(&root);
    output(install.args(["--prefix=/opt/it", "--libdir", "lib64"]));
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    let description = read("opt/it/lib64/pkgconfig/folio.pc");
    assert!(description.contains("prefix=/opt/it\nlibdir=/opt/it/lib64\n"), "{description}");
    assert!(read("opt/it/lib64/cmake/folio/folio-config.cmake").contains("folio::folio"));
    assert!(read("opt/it/include/folio.h").contains("folio_guard"));
    assert!(root.join("opt/it/lib64/libfolio.so").exists());

    for wrong in [&["--prefix", "here"][..], &["--prefix"], &["--what", "x"]] {
        let output = run(Command::new(source("install")).args(wrong));
        assert!(!output.status.success() && !output.stderr.is_empty(), "{wrong:?}");
    }
}
