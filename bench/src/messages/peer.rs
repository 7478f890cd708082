//! The other process: this program again, at the other end of a way. Its standard input is a socket, over
//! which it gets the way's descriptors, and then orders.

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use folio_cli::ipc::transport::Transport;

use super::payload::Payload;
use super::way::{Made, Way};
use crate::machine;

/// Says that an order can be given.
const READY: u8 = b'+';

/// What the other process is told to do, one after the other.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Order {
    /// Messages to send back.
    pub(crate) echo: u64,
    /// Messages to receive, the last of which it sends back.
    pub(crate) take: u64,
    /// Messages to send.
    pub(crate) give: u64,
}

impl Order {
    fn text(self) -> String {
        let Self { echo, take, give } = self;
        format!("{echo} {take} {give}\n")
    }

    fn parse(line: &str) -> Option<Self> {
        let counts: Result<Vec<u64>, _> = line.split(' ').map(str::parse).collect();
        let [echo, take, give] = counts.ok()?[..] else { return None };
        Some(Self { echo, take, give })
    }

    fn obey(self, transport: &mut dyn Transport) -> io::Result<()> {
        for _ in 0..self.echo {
            let number = transport.recv()?;
            transport.send(number)?;
        }
        for left in (0..self.take).rev() {
            let number = transport.recv()?;
            if left == 0 {
                transport.send(number)?;
            }
        }
        (0..self.give).try_for_each(|number| transport.send(number))
    }
}

/// The other process, as this one sees it.
pub(crate) struct Peer {
    child: Child,
    orders: Option<UnixStream>,
}

impl Peer {
    /// Starts it; `part` is what it needs to know of the way besides the descriptors.
    pub(crate) fn start(
        way: Way,
        payload: Payload,
        cpu: Option<usize>,
        made: &Made,
    ) -> io::Result<Self> {
        let (orders, theirs) = UnixStream::pair()?;
        let touched = u8::from(payload.is_touched);
        let cpu = cpu.map_or("-".to_owned(), |cpu| cpu.to_string());
        let (number, size, fds) = (way.number(), payload.size, made.fds.len());
        let child = Command::new(std::env::current_exe()?)
            .arg("--peer")
            .arg(format!("{number} {size} {touched} {cpu} {fds} {}", made.word))
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        let mut peer = Self { child, orders: None };
        for fd in &made.fds {
            folio_shm::send_fd(&orders, fd)?;
        }
        let mut ready = [0];
        io::Read::read_exact(&mut &orders, &mut ready)?;
        peer.orders = Some(orders);
        Ok(peer)
    }

    pub(crate) fn order(&mut self, order: Order) -> io::Result<()> {
        let mut orders = self.orders.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        orders.write_all(order.text().as_bytes())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends when there can be no more orders, unless it waits for what does not come.
        if self.orders.take().is_none() || std::thread::panicking() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Is the other process, as [`Peer::start`] says.
pub(crate) fn run(part: &str) -> io::Result<()> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, format!("--peer {part:?}"));
    let number = |text: &str| text.parse::<usize>().map_err(|_| wrong());
    let words: Vec<&str> = part.splitn(6, ' ').collect();
    let [way, size, touched, cpu, fds, word] = words[..] else { return Err(wrong()) };
    let way = Way::of_number(number(way)?).ok_or_else(wrong)?;
    let payload = Payload { size: number(size)?, is_touched: touched == "1" };
    // Nobody is there to be served when the first process has ended.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    if let Ok(cpu) = cpu.parse() {
        machine::pin_to(cpu);
    }
    let control = UnixStream::from(rustix::stdio::stdin().try_clone_to_owned()?);
    let fds = (0..number(fds)?).map(|_| folio_shm::recv_fd(&control));
    let fds = fds.collect::<Result<_, _>>()?;
    let mut transport = way.join(payload, fds, word)?;
    (&control).write_all(&[READY])?;
    for line in BufReader::new(&control).lines() {
        Order::parse(&line?).ok_or_else(wrong)?.obey(transport.as_mut())?;
    }
    Ok(())
}
