//! Writes the seeds of each entry into `corpus/NAME`, for a fuzz target to begin with.

use std::path::Path;

fn main() -> std::io::Result<()> {
    for entry in mpic_tests::foreign::ENTRIES {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(entry.name);
        std::fs::create_dir_all(&dir)?;
        for (index, seed) in (entry.seeds)().iter().enumerate() {
            std::fs::write(dir.join(format!("seed-{index}")), seed)?;
        }
    }
    Ok(())
}
