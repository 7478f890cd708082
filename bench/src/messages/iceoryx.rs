//! iceoryx2: publish and subscribe, one service for each direction; the receiver polls, or sleeps in a
//! listener that the sender notifies.
//!
//! Its buffers are as long as it takes for no more to be faster, and a full one holds the publisher back.
#![allow(unsafe_code)]

use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use folio_cli::ipc::transport::Transport;
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;

use super::payload::{Payload, circle_bytes};
use super::way::Made;

type Service = ipc::Service;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Messages in a buffer, at most.
const MOST: usize = 1024;

struct Ports {
    publisher: Publisher<Service, [u8], ()>,
    subscriber: Subscriber<Service, [u8], ()>,
    events: Option<(Notifier<Service>, Listener<Service>)>,
    payload: Payload,
    _node: Node<Service>,
}

impl Ports {
    fn open(
        word: &str,
        [output, input]: [&str; 2],
        payload: Payload,
        sleeps: bool,
    ) -> Result<Self> {
        set_log_level(LogLevel::Error);
        let node = NodeBuilder::new()
            .signal_handling_mode(SignalHandlingMode::Disabled)
            .create::<Service>()?;
        let name = |way: &str| ServiceName::new(&format!("folio-bench/{word}/{way}"));
        let messages = |way| -> Result<_> {
            let service = node.service_builder(&name(way)?).publish_subscribe::<[u8]>();
            Ok(service
                .payload_alignment(Alignment::new(64).ok_or("no alignment")?)
                .enable_safe_overflow(false)
                .history_size(0)
                .subscriber_max_buffer_size((circle_bytes(payload.size) / payload.size).min(MOST))
                .max_publishers(1)
                .max_subscribers(1)
                .open_or_create()?)
        };
        let publisher = messages(output)?
            .publisher_builder()
            .initial_max_slice_len(payload.size)
            .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
            .create()?;
        let subscriber = messages(input)?.subscriber_builder().create()?;
        let event =
            |way| -> Result<_> { Ok(node.service_builder(&name(way)?).event().open_or_create()?) };
        let events = match sleeps {
            false => None,
            true => Some((
                event(output)?.notifier_builder().create()?,
                event(input)?.listener_builder().create()?,
            )),
        };
        Ok(Self { publisher, subscriber, events, payload, _node: node })
    }

    fn send(&mut self, number: u64) -> Result<()> {
        let size = self.payload.size;
        let mut sample = self.publisher.loan_slice_uninit(size)?;
        let start = sample.payload_mut().as_mut_ptr().cast();
        // SAFETY: `size` bytes of shared memory that was just lent; what lies there was written by the kernel
        // or by messages before, so any of it is initialised.
        let sample = unsafe {
            self.payload.fill(std::slice::from_raw_parts_mut(start, size), number);
            sample.assume_init()
        };
        sample.send()?;
        if let Some((notifier, _)) = &self.events {
            notifier.notify()?;
        }
        Ok(())
    }

    fn recv(&mut self) -> Result<u64> {
        loop {
            if let Some(sample) = self.subscriber.receive()? {
                return Ok(self.payload.check(sample.payload())?);
            }
            match &self.events {
                Some((_, listener)) => drop(listener.blocking_wait(|_| {})?),
                None => std::hint::spin_loop(),
            }
        }
    }
}

impl Transport for Ports {
    fn send(&mut self, number: u64) -> io::Result<()> {
        Self::send(self, number).map_err(failed)
    }

    fn recv(&mut self) -> io::Result<u64> {
        Self::recv(self).map_err(failed)
    }
}

fn failed(error: Box<dyn Error>) -> io::Error {
    io::Error::other(error.to_string())
}

pub(crate) fn make(payload: Payload, sleeps: bool) -> io::Result<Made> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let word = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let ports = Ports::open(&word, ["there", "back"], payload, sleeps).map_err(failed)?;
    Ok(Made { transport: Box::new(ports), fds: Vec::new(), word })
}

pub(crate) fn join(word: &str, payload: Payload, sleeps: bool) -> io::Result<Box<dyn Transport>> {
    Ok(Box::new(Ports::open(word, ["back", "there"], payload, sleeps).map_err(failed)?))
}
