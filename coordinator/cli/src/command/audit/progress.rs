//! How far a check is, on stderr, for people who wait.

use std::fmt;
use std::io::{IsTerminal, stderr, stdout};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mpic_audit::work::Watch;

/// A line that is drawn over and over; nothing where stderr is no terminal.
pub(super) struct Bar(ProgressBar);

impl Default for Bar {
    fn default() -> Self {
        Self::shown(stderr().is_terminal())
    }
}

impl Bar {
    /// One that is nothing too where the lines of a long output scroll by beside it.
    pub(super) fn beside_output() -> Self {
        Self::shown(stderr().is_terminal() && !stdout().is_terminal())
    }

    fn shown(is_shown: bool) -> Self {
        let target =
            if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = Self::on(target);
        bar.0.enable_steady_tick(REDRAWN);
        bar
    }

    fn on(target: ProgressDrawTarget) -> Self {
        let style = ProgressStyle::with_template(FORM);
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    /// Leaves the line to what comes next.
    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl Watch for Bar {
    fn advanced(&self, origin: &str, done: u64, size: u64) {
        if self.0.message() != origin {
            self.0.set_message(origin.to_owned());
            self.0.reset_eta();
        }
        self.0.set_length(size);
        self.0.set_position(done);
    }
}

impl fmt::Debug for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bar").field(&self.0.position()).finish()
    }
}

const FORM: &str = "{msg} [{bar:30}] {human_pos}/{human_len} entries, {per_sec}, {eta} left";

/// So that it is seen to live where one step takes long.
const REDRAWN: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;

    use super::*;

    /// Remembers what is written to it.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl Screen {
        fn write(&self, text: &str) {
            self.0.lock().unwrap().push_str(text);
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            100
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, line: &str) -> io::Result<()> {
            self.write(line);
            Ok(())
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.write(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.0.lock().unwrap().clear();
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn it_says_how_much_of_which_log_is_done_and_leaves_nothing_behind() {
        let screen = Screen::default();
        let bar = Bar::on(ProgressDrawTarget::term_like(Box::new(screen.clone())));
        bar.advanced("log.example/1", 1_024, 4_096);
        bar.0.force_draw();
        let drawn = screen.0.lock().unwrap().clone();
        assert!(drawn.contains("log.example/1 [███"), "{drawn}");
        assert!(drawn.contains("1,024/4,096 entries"), "{drawn}");
        bar.clear();
        assert_eq!(screen.0.lock().unwrap().trim(), "");
    }
}
