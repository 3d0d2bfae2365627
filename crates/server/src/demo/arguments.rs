use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::data::{DataError, Week};

/// Seconds that the week takes when nothing is said.
const PACE_DEFAULT_S: f64 = 15.0;
/// Longest time that the week may take, in seconds.
const PACE_MAX_S: f64 = 3_600.0;

/// What to replay, and how.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Replay only the busiest N shops of the file, each a process [default: 8, or all if there are fewer]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    shops: Option<u16>,
    /// What is cut off, killed and repriced, and when: the same seed makes the same plan
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Sales of your own: time,store,basket,product,quantity,sales_value; may be compressed with zstd
    #[arg(long, value_name = "FILE", requires = "products")]
    sales: Option<PathBuf>,
    /// The products in them: product,department,brand,category,type,size
    #[arg(long, value_name = "FILE", requires = "sales")]
    products: Option<PathBuf>,
    /// Seconds that the whole week takes, if the machine keeps up
    #[arg(long, value_name = "SECONDS", default_value_t = PACE_DEFAULT_S, value_parser = pace)]
    pace: f64,
    /// Put each shop into a network of its own, behind a line of 1 Mbit/s and 150 ms that loses datagrams: needs root, iproute2, and
    /// nftables for the loss
    #[arg(long)]
    netns: bool,
    /// Keep the hub and the shops running at the end, until Ctrl-C
    #[arg(long)]
    serve: bool,
    /// Print only a report, as JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
What happens:
  A hub and the shops start as processes of this machine, each with a certificate and a store of its own in a \
temporary directory. Products, prices and opening stock are written at the hub. The sales of a week are replayed at \
the shops, each basket on disk before the next, while 5 of 8 links are cut for parts of the week, two shops are \
killed (SIGKILL) while they write, and the hub changes prices. At the end every document at the hub and at the shops \
is compared with the files.

Examples:
  isle demo                      the week that comes with the program: 8 shops, 5,056 units
  isle demo --seed 42            other cuts, kills and prices
  isle demo --shops 3 --pace 5   a shorter one
  isle demo --json | jq .units   for programs
  isle demo --serve              to look at the replicas afterwards, or to write programs against them
  isle demo --sales sales.csv --products products.csv.zst
  sudo isle demo --netns         shops behind narrow lines that lose datagrams

Files of your own have a header line as named above. Rows are in order of time, times as 2017-07-17T05:30:04Z; \
stores are small letters, digits and '-'. A row that is wrong is named by its line, and nothing is started.

On the screen:
  ● up, ○ cut off, ◐ connecting again, ✗ killed
  to hub, from hub: changes that the other side has not confirmed; lag: the age of the oldest
  prices: the last price list that the shop has, of those that the hub gave out

Exit codes:
  0  every document is as it has to be
  1  something differs; the report says what
  2  the command line or a file is wrong; nothing was started
  3  the demo could not run to its end";

fn pace(text: &str) -> Result<f64, PaceError> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=PACE_MAX_S).contains(seconds));
    seconds.ok_or(PaceError)
}

/// A text that is no pace.
#[derive(Debug, thiserror::Error)]
#[error("a number of seconds from 0 to {PACE_MAX_S}")]
struct PaceError;

impl Arguments {
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    pub(super) fn serves(&self) -> bool {
        self.serve
    }

    pub(super) fn has_lines(&self) -> bool {
        self.netns
    }

    pub(super) fn pace(&self) -> Duration {
        Duration::from_secs_f64(self.pace)
    }

    /// Reads what is to be replayed.
    pub(super) fn week(&self) -> Result<Week, DataError> {
        let shops = self.shops.map(usize::from);
        match (&self.sales, &self.products) {
            (Some(sales), Some(products)) => Week::read(sales, products, shops),
            _ => Week::built_in(shops),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parsed(words: &[&str]) -> Result<Arguments, clap::Error> {
        Program::try_parse_from(["demo"].iter().chain(words)).map(|program| program.arguments)
    }

    #[test]
    fn nothing_needs_to_be_said() {
        let arguments = parsed(&[]).unwrap();
        assert_eq!((arguments.seed(), arguments.is_json()), (1, false));
        assert_eq!(arguments.pace(), Duration::from_secs(15));
        assert_eq!(arguments.week().unwrap().units(), 5_056);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for words in [
            &["--shops", "0"][..],
            &["--pace", "-1"],
            &["--pace", "nan"],
            &["--pace", "soon"],
            &["--sales", "s.csv"],
            &["--products", "p.csv"],
        ] {
            assert!(parsed(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn own_files_are_read() {
        let words = ["--sales", "/nowhere/s.csv", "--products", "/nowhere/p.csv"];
        let error = parsed(&words).unwrap().week().unwrap_err();
        assert!(error.to_string().starts_with("cannot read /nowhere/s.csv"), "{error}");
    }
}
