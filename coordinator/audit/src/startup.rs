//! From whatever is on the disk, in the stream and in the bucket to a log that can go on.

use async_nats::jetstream;
use async_nats::jetstream::kv::Store;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use mpic_runtime::nats::BusError;
use thiserror::Error;

use crate::config::{Config, SettingsError};
use crate::fence::{Bucket, BucketFence};
use crate::genesis::{Genesis, OwnEntry};
use crate::log::{Disk, FencedLog, LogError, Shard, ShardOptions, Steps, Storage};
use crate::note::{Checkpoint, LogPublicKey, NoteError};
use crate::source::{AuditStream, Source, SourceError, StreamState};
use crate::tree::{Edge, leaf_hash};

/// A log behind its fence, at the head that everyone shares, and the stream that it follows.
#[derive(Debug)]
pub struct Started {
    /// The log.
    pub log: FencedLog<Disk, BucketFence<Store>>,
    /// The stream.
    pub stream: AuditStream,
}

/// Why the process does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration does not hold.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// There is no bus.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The stream is not what it must be.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The log cannot be opened or go on.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The shard's directory cannot be made.
    #[error("cannot make the directory of the shard")]
    Directory(#[source] std::io::Error),
    /// The bucket of the head cannot be reached.
    #[error("cannot use the bucket {bucket}")]
    Bucket {
        /// Its name.
        bucket: String,
        /// Why.
        source: jetstream::context::KeyValueError,
    },
    /// The log was begun with another configuration.
    #[error("entry 0 of the log says {found:?}, the configuration {configured:?}")]
    Genesis {
        /// What entry 0 says.
        found: Box<Genesis>,
        /// What it would say.
        configured: Box<Genesis>,
    },
    /// The stream is not the one that the log follows.
    #[error("the stream was created at {found} ns, the log's at {expected} ns")]
    OtherStream {
        /// When the stream was created.
        found: u64,
        /// When the log's was.
        expected: u64,
    },
    /// The stream no longer has what the log needs next.
    #[error("the stream begins with sequence {first_seq}, the log needs {next}")]
    LostBefore {
        /// The first sequence of the stream.
        first_seq: u64,
        /// The sequence that comes next.
        next: u64,
    },
    /// The stream has less than the log.
    #[error("the stream ends with sequence {last_seq}, the log has all up to {logged}")]
    StreamRolledBack {
        /// The last sequence of the stream.
        last_seq: u64,
        /// The last sequence in the log.
        logged: u64,
    },
    /// The stream has another message than the log.
    #[error("sequence {seq} of the stream is not what the log has of it: the stream was rewritten")]
    Rewritten {
        /// Its sequence.
        seq: u64,
    },
    /// The shared head is no checkpoint of this log.
    #[error("the bucket's head is no checkpoint of this log")]
    ForeignHead(#[from] NoteError),
    /// The shared head is not of this tree.
    #[error("the bucket's head of size {size} has another root than the log")]
    HeadFork {
        /// The head's size.
        size: u64,
    },
    /// The log is behind the shared head, and the stream cannot make up for it.
    #[error("the log was rolled back to size {size}; the stream has no sequence {seq} to redo it")]
    RolledBack {
        /// The log's size.
        size: u64,
        /// What is missing.
        seq: u64,
    },
}

impl StartError {
    /// The exit code of `mpic-audit`.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::Genesis { .. } => 78,
            Self::Bus(_) | Self::Bucket { .. } => 75,
            Self::Directory(_) => 74,
            Self::Source(error) => error.exit_code(),
            Self::Log(error) => error.exit_code(),
            _ => 70,
        }
    }
}

/// Opens the log, makes sure that it is the stream's and that no other writer is ahead of it, and
/// publishes its head. A log without entries begins with genesis.
pub async fn start(
    config: &Config,
    steps: Steps,
    context: jetstream::Context,
) -> Result<Started, StartError> {
    let shard = open_shard(config, steps).await?;
    let (stream, state) =
        AuditStream::check(context.clone(), &config.stream, &config.consumer).await?;
    let bucket = config.kv_bucket.clone();
    let store = context.get_key_value(bucket.as_str()).await;
    let store = store.map_err(|source| StartError::Bucket { bucket, source })?;
    let log = recover(config, shard, &stream, state, store).await?;
    Ok(Started { log, stream })
}

/// An open shard becomes a log that follows `stream`, whose state is `state`, and whose head is the
/// one in `bucket`.
pub async fn recover<S: Storage, M: Source + Sync, B: Bucket>(
    config: &Config,
    shard: Shard<S>,
    stream: &M,
    state: StreamState,
    bucket: B,
) -> Result<FencedLog<S, BucketFence<B>>, StartError> {
    let shard = check_genesis(config, shard, state).await?;
    let fence = BucketFence::read(bucket, &config.origin).await;
    check_stream(config, &shard, stream, state).await?;
    let shard = check_head(config, shard, stream, fence.note()).await?;
    let shard = catch_up(config, shard, stream, state).await?;
    let mut log = FencedLog::new(shard, fence);
    log.catch_up().await?;
    Ok(log)
}

async fn open_shard(config: &Config, steps: Steps) -> Result<Shard<Disk>, StartError> {
    let options = ShardOptions { key: config.key()?, io_threads: config.io_threads, steps };
    let directory = config.directory();
    blocking(move || {
        let disk = Disk::create(directory).map_err(StartError::Directory)?;
        Ok(Shard::open(disk, options)?)
    })
    .await
}

/// Compares entry 0, or writes it.
async fn check_genesis<S: Storage>(
    config: &Config,
    shard: Shard<S>,
    state: StreamState,
) -> Result<Shard<S>, StartError> {
    let configured = config.genesis(state.created_ns)?;
    blocking(move || {
        if shard.size() == 0 {
            if state.first_seq > configured.base_seq {
                let next = configured.base_seq;
                return Err(StartError::LostBefore { first_seq: state.first_seq, next });
            }
            let entry = OwnEntry::Genesis(configured).encode().map_err(LogError::Encode)?;
            return Ok(shard.commit(&[entry.into()])?);
        }
        let found = shard.genesis()?;
        let same_log = found.origin == configured.origin
            && found.stream == configured.stream
            && found.base_seq == configured.base_seq;
        if !same_log {
            let (found, configured) = (Box::new(found), Box::new(configured));
            return Err(StartError::Genesis { found, configured });
        }
        if found.stream_created_ns != configured.stream_created_ns {
            let (found, expected) = (configured.stream_created_ns, found.stream_created_ns);
            return Err(StartError::OtherStream { found, expected });
        }
        Ok(shard)
    })
    .await
}

/// The stream goes on where the log ends, and what both have of late is the same.
async fn check_stream<S: Storage, M: Source + Sync>(
    config: &Config,
    shard: &Shard<S>,
    stream: &M,
    state: StreamState,
) -> Result<(), StartError> {
    let base_seq = config.base_seq.get();
    let next = base_seq + shard.size() - 1;
    if state.first_seq > next {
        return Err(StartError::LostBefore { first_seq: state.first_seq, next });
    }
    if state.last_seq + 1 < next {
        return Err(StartError::StreamRolledBack { last_seq: state.last_seq, logged: next - 1 });
    }
    let first = state.first_seq.max(base_seq).max(next.saturating_sub(COMPARED));
    let leaves = shard.leaves(first + 1 - base_seq..shard.size())?;
    stream::iter((first..next).zip(leaves))
        .map(|(seq, leaf)| async move {
            match stream.fetch(seq).await {
                Some(payload) if leaf_hash(&payload) != leaf => Err(StartError::Rewritten { seq }),
                _ => Ok(()),
            }
        })
        .buffer_unordered(FETCHES_MAX)
        .try_collect()
        .await
}

/// The shared head is of this tree. Where it is ahead, this disk was rolled back: the log is
/// redone from the stream up to that head.
async fn check_head<S: Storage, M: Source + Sync>(
    config: &Config,
    shard: Shard<S>,
    stream: &M,
    head: Option<&[u8]>,
) -> Result<Shard<S>, StartError> {
    let Some(head) = head else { return Ok(shard) };
    let key: LogPublicKey = config.key()?.public().clone();
    let Checkpoint { size, root, .. } = key.open(head)?;
    let is_behind = size > shard.size();
    let redone = if is_behind {
        tracing::error!(size = shard.size(), head = size, "the log was rolled back, redoing it");
        let redone = read_on(config, shard.edge().clone(), stream, size, |_| ()).await?;
        if redone.size() < size {
            let seq = config.base_seq.get() + redone.size() - 1;
            return Err(StartError::RolledBack { size: shard.size(), seq });
        }
        redone.root()
    } else {
        shard.root_at(size)?
    };
    if redone != root {
        return Err(StartError::HeadFork { size });
    }
    if is_behind { commit_up_to(config, shard, stream, size).await } else { Ok(shard) }
}

/// Commits what the stream has and a killed run may have had in its hands: the consumer would
/// deliver it again only after `ack_wait`.
async fn catch_up<S: Storage, M: Source + Sync>(
    config: &Config,
    shard: Shard<S>,
    stream: &M,
    state: StreamState,
) -> Result<Shard<S>, StartError> {
    let size = (state.last_seq + 2).saturating_sub(config.base_seq.get());
    let size = size.min(shard.size() + ACK_PENDING_MAX);
    commit_up_to(config, shard, stream, size).await
}

/// Commits entries from the stream up to a size, or to a message that the stream lacks.
async fn commit_up_to<S: Storage, M: Source + Sync>(
    config: &Config,
    mut shard: Shard<S>,
    stream: &M,
    size: u64,
) -> Result<Shard<S>, StartError> {
    while shard.size() < size {
        let end = size.min(shard.size() + BATCH);
        let mut batch = Vec::new();
        read_on(config, shard.edge().clone(), stream, end, |entry| batch.push(entry)).await?;
        let is_short = (batch.len() as u64) < end - shard.size();
        if !batch.is_empty() {
            shard = blocking(move || Ok(shard.commit(&batch)?)).await?;
        }
        if is_short {
            break;
        }
    }
    Ok(shard)
}

/// The edge that the stream's messages lead to, up to a size or to a message that the stream
/// lacks; hands out each entry.
async fn read_on<M: Source + Sync>(
    config: &Config,
    mut edge: Edge,
    stream: &M,
    size: u64,
    mut each: impl FnMut(Bytes),
) -> Result<Edge, StartError> {
    let sequences = (edge.size()..size).map(|index| config.base_seq.get() + index - 1);
    let mut entries = stream::iter(sequences).map(|seq| stream.fetch(seq)).buffered(FETCHES_MAX);
    while let Some(Some(entry)) = entries.next().await {
        edge = edge.append(&[leaf_hash(&entry)]).map_err(LogError::from)?.edge;
        each(entry);
    }
    Ok(edge)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| LogError::Ended)?
}

/// Sequences compared at start.
const COMPARED: u64 = 256;

/// Requests at one time.
const FETCHES_MAX: usize = 64;

/// `max_ack_pending` of the consumer.
const ACK_PENDING_MAX: u64 = 4_096;

/// Entries redone in one commit.
const BATCH: u64 = 1_000;
