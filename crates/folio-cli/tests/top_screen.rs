//! `folio top` on a real terminal, which tmux is: it starts, moves, and gives the terminal back as it was.

mod common;

use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use common::{Files, folio};
use folio_cli::top::screen::Screen;
use rustix::process::{Pid, Signal, kill_process};

/// Says to the test below that it runs in a terminal.
const PANICS: &str = "FOLIO_TEST_PANICS";

/// A terminal with a shell, which is gone when this is dropped.
struct Tmux {
    files: Files,
}

impl Tmux {
    /// `None` where there is no tmux or no bash.
    fn start(columns: u16, lines: u16) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err()
            || Command::new("bash").arg("--version").output().is_err()
        {
            common::skip("no tmux, or no bash");
            return None;
        }
        let tmux = Self { files: Files::new() };
        let size = [&*columns.to_string(), &*lines.to_string()].map(String::from);
        let bash = "env -u NO_COLOR -u LC_ALL -u LC_CTYPE LANG=C.UTF-8 bash --norc --noprofile -i";
        let new = ["-f", "/dev/null", "new-session", "-d", "-x", &size[0], "-y", &size[1]];
        // Word by word: a line would be given to the user's shell, and an ordinary user may have none that runs.
        let words: Vec<&str> = new.into_iter().chain(bash.split(' ')).collect();
        tmux.ask(&words);
        tmux.until("ready>");
        Some(tmux)
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.env("LANG", "C.UTF-8").env("PS1", "ready> ").env_remove("TMUX");
        command.arg("-S").arg(self.files.path("socket")).args(arguments).output().unwrap()
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let output = self.tmux(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn keys(&self, keys: &[&str]) {
        self.ask(&[&["send-keys"], keys].concat());
    }

    fn line(&self, line: &str) {
        self.keys(&["-l", line]);
        self.keys(&["Enter"]);
    }

    fn screen(&self) -> String {
        self.ask(&["capture-pane", "-p"])
    }

    /// The screen, as soon as it has this.
    #[track_caller]
    fn until(&self, text: &str) -> String {
        self.until_it(text, |screen| screen.contains(text))
    }

    #[track_caller]
    fn until_it(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(Instant::now() < end, "no {what} in:\n{screen}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// That the terminal is as a shell wants it, and shows what it did.
    #[track_caller]
    fn is_as_before(&self) {
        self.until_it("prompt", |screen| screen.trim_end().ends_with("ready>"));
        let settings = "stty -a | tr ' ;' '\\n\\n' | grep -x -e icanon -e echo -e isig";
        self.line(&format!("clear; {settings} | sort | tr '\\n' ,; echo do''ne"));
        let screen = self.until("done\n");
        assert!(screen.contains("echo,icanon,isig,done"), "{screen}");
        let state = "#{alternate_on} #{mouse_any_flag} #{cursor_flag}";
        assert_eq!(self.ask(&["display-message", "-p", state]).trim(), "0 0 1");
    }

    /// The process that the shell waits for.
    fn child(&self) -> Pid {
        let shell = self.ask(&["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        let path = format!("/proc/{shell}/task/{shell}/children");
        let children = std::fs::read_to_string(path).unwrap();
        Pid::from_raw(children.split_whitespace().next().unwrap().parse().unwrap()).unwrap()
    }

    fn start_top(&self) {
        let folio = folio(&[]).get_program().to_string_lossy().into_owned();
        self.line(&format!("echo 'was here'; {folio} top"));
        self.until("folio top ");
        self.until("minor/s");
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn it_starts_opens_a_process_and_a_mapping_and_quits() {
    let Some(tmux) = Tmux::start(100, 30) else { return };
    let mut sleeper = Command::new("sleep").arg("600").spawn().unwrap();
    let pid = sleeper.id().to_string();
    tmux.start_top();
    tmux.keys(&["f"]);
    tmux.keys(&["-l", &format!("{pid} sleep")]);
    tmux.keys(&["Enter"]);
    // Its row, and not what was typed.
    let is_row = |line: &&str| line.trim_start().starts_with(&pid);
    tmux.until_it("one sleep", |screen| screen.lines().filter(is_row).count() == 1);
    tmux.keys(&["Enter"]);
    tmux.until("[heap]");
    tmux.keys(&["/"]);
    tmux.keys(&["-l", "[stack"]);
    tmux.keys(&["Enter", "Enter"]);
    tmux.until("a cell is");
    let is_read = |screen: &str| screen.contains("private dirty") && !screen.contains(" ?");
    let figures = tmux.until_it("costs", is_read);
    let costs = |screen: &str| {
        let line = screen.lines().find(|line| line.contains("private dirty"));
        line.unwrap_or_default().to_owned()
    };
    // A process that ends while it is looked at, and stays on the screen as it was.
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    let ended = tmux.until("has ended");
    assert_eq!(costs(&ended), costs(&figures));
    tmux.keys(&["Escape"]);
    let groups = tmux.until("backing");
    assert!(groups.contains("sleep has ended") && groups.contains("[heap]"), "{groups}");
    tmux.keys(&["Escape"]);
    tmux.until("filter: ");
    tmux.ask(&["resize-window", "-x", "20", "-y", "8"]);
    tmux.until_it("8 lines", |screen| screen.lines().count() == 8);
    // Two keys at once would be one.
    tmux.keys(&["Escape"]);
    tmux.until_it("list", |screen| !screen.contains("filter: "));
    tmux.keys(&["?"]);
    tmux.until("Up Down");
    tmux.keys(&["?"]);
    tmux.until("resident name");
    tmux.keys(&["q"]);
    tmux.until("was here");
    tmux.ask(&["resize-window", "-x", "100", "-y", "30"]);
    tmux.is_as_before();
}

#[test]
fn a_signal_that_ends_it_leaves_the_terminal_as_it_was() {
    let Some(tmux) = Tmux::start(80, 24) else { return };
    tmux.start_top();
    kill_process(tmux.child(), Signal::TERM).unwrap();
    tmux.until("ready> ");
    tmux.line("echo status $?");
    tmux.until("status 143");
    tmux.is_as_before();
}

#[test]
fn it_stops_at_ctrl_z_with_the_terminal_as_it_was_and_goes_on() {
    let Some(tmux) = Tmux::start(80, 24) else { return };
    tmux.start_top();
    for by_signal in [false, true] {
        match by_signal {
            true => kill_process(tmux.child(), Signal::TSTP).unwrap(),
            false => tmux.keys(&["C-z"]),
        }
        tmux.until("Stopped");
        tmux.is_as_before();
        tmux.line("fg");
        tmux.until("folio top ");
        tmux.until("minor/s");
    }
    tmux.keys(&["C-c"]);
    tmux.until("ready> ");
    tmux.is_as_before();
}

#[test]
fn a_panic_is_reported_on_the_terminal_as_it_was() {
    if std::env::var_os(PANICS).is_some() {
        let mut screen = Screen::enter().unwrap();
        screen.draw(|frame| frame.render_widget("a picture", frame.area())).unwrap();
        panic!("on purpose");
    }
    let Some(tmux) = Tmux::start(80, 24) else { return };
    let test = std::env::current_exe().unwrap();
    let name = "a_panic_is_reported_on_the_terminal_as_it_was";
    let test = test.to_string_lossy();
    tmux.line(&format!("{PANICS}=1 {test} --exact {name} --nocapture"));
    tmux.until("\non purpose");
    tmux.is_as_before();
}
