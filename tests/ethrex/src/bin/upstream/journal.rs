//! What was given and received, a JSON object a line, for the tests.
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

pub struct Journal(Mutex<File>);

impl Journal {
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(Mutex::new(OpenOptions::new().create(true).append(true).open(path)?)))
    }

    pub fn say(&self, event: &str, mut what: Value) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
        what["event"] = json!(event);
        what["at"] = json!(now);
        let mut file = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        // One write a line: a kill leaves whole lines.
        if let Err(e) = file.write_all(format!("{what}\n").as_bytes()) {
            eprintln!("ethrex-upstream: journal: {e}");
        }
    }
}
