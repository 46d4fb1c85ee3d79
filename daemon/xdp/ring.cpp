// SPDX-License-Identifier: MIT
#include "daemon/xdp/ring.h"

#include "bpf/abi.h"
#include "protocol/wire.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>

namespace xk::xdp {
namespace {

// The layout of each kind of record.
struct Layout {
    authz::RecordKind kind;
    std::uint16_t version;
    std::size_t fewest, most; // bytes of the whole record
};
constexpr Layout kLayouts[] = {
    {authz::RecordKind::packet, XK_PACKET_RECORD_VERSION, sizeof(xk_packet_record), sizeof(xk_packet_record)},
    {authz::RecordKind::sequence, XK_SEQUENCE_RECORD_VERSION, sizeof(xk_sequence_record), sizeof(xk_sequence_record)},
    {authz::RecordKind::hello, XK_PACKET_RECORD_VERSION, sizeof(xk_packet_record), sizeof(xk_packet_record)},
    {authz::RecordKind::handshake_request, XK_PACKET_RECORD_VERSION, sizeof(xk_packet_record),
     sizeof(xk_packet_record)},
    {authz::RecordKind::c_lock, XK_SEQUENCE_RECORD_VERSION, sizeof(xk_sequence_record), sizeof(xk_sequence_record)},
    // As long as the packet came.
    {authz::RecordKind::capyknock, XK_LEGACY_RECORD_VERSION, sizeof(xk_record) + XK_FEWEST_CAPYKNOCK,
     sizeof(xk_record) + XK_MOST_CAPYKNOCK},
    {authz::RecordKind::fwknop, XK_LEGACY_RECORD_VERSION, sizeof(xk_record) + XK_FEWEST_FWKNOP,
     sizeof(xk_record) + XK_MOST_FWKNOP},
};
static_assert(static_cast<unsigned>(authz::RecordKind::packet) == XK_RECORD_PACKET);
static_assert(static_cast<unsigned>(authz::RecordKind::sequence) == XK_RECORD_SEQUENCE);
static_assert(static_cast<unsigned>(authz::RecordKind::hello) == XK_RECORD_HELLO);
static_assert(static_cast<unsigned>(authz::RecordKind::handshake_request) == XK_RECORD_HANDSHAKE_REQUEST);
static_assert(static_cast<unsigned>(authz::RecordKind::c_lock) == XK_RECORD_C_LOCK);
static_assert(static_cast<unsigned>(authz::RecordKind::capyknock) == XK_RECORD_CAPYKNOCK);
static_assert(static_cast<unsigned>(authz::RecordKind::fwknop) == XK_RECORD_FWKNOP);
static_assert(XK_MOST_LEGACY <= authz::RecordBytes::kMost && XK_MOST_CAPYKNOCK <= XK_MOST_LEGACY &&
              XK_MOST_FWKNOP <= XK_MOST_LEGACY);
static_assert(sizeof xk_packet_record::packet == wire::kPacketSize);
static_assert(sizeof xk_packet_record::packet <= authz::RecordBytes::kMost);
// authz/methods/ports.cpp reads it.
static_assert(sizeof(xk_ports) == 24 && XK_OFFSET(xk_ports, count) == 20);

authz::Record record_of(const xk_record& head, ByteView bytes) {
    authz::Record record;
    record.kind = static_cast<authz::RecordKind>(head.kind);
    std::memcpy(record.source.bytes.data(), head.source.bytes, sizeof head.source.bytes);
    std::memcpy(record.destination.bytes.data(), head.destination.bytes, sizeof head.destination.bytes);
    record.source_port = head.source_port;
    record.arrived = BootTime(std::chrono::nanoseconds(static_cast<std::int64_t>(head.arrived)));
    record.credential = head.credential;
    record.slot = head.slot;
    record.bytes.assign(bytes);
    return record;
}

} // namespace

std::variant<authz::Record, RecordFault> read_record(ByteView bytes) {
    xk_record head;
    if (bytes.size() < sizeof head)
        return RecordFault::malformed;
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.length != bytes.size())
        return RecordFault::malformed;
    for (const Layout& layout : kLayouts)
        if (static_cast<std::uint16_t>(layout.kind) == head.kind) {
            if (layout.version != head.version || head.length < layout.fewest || head.length > layout.most)
                return RecordFault::malformed;
            return record_of(head, bytes.subspan(sizeof head));
        }
    return RecordFault::unknown;
}

struct Ring::State {
    Fd map;
    ring_buffer* ring = nullptr;
    const Handler* handler = nullptr;
    unsigned left = 0; // records to hand over before the next turn
    std::uint64_t malformed = 0, unknown = 0;

    ~State() { ring_buffer__free(ring); }

    static int on_record(void* self, void* data, std::size_t size) {
        auto* const state = static_cast<State*>(self);
        const auto record = read_record({static_cast<const std::uint8_t*>(data), size});
        if (const auto* fault = std::get_if<RecordFault>(&record))
            ++(*fault == RecordFault::unknown ? state->unknown : state->malformed);
        else
            (*state->handler)(std::get<authz::Record>(record));
        // The record is done with either way; an error only ends the turn.
        return --state->left == 0 ? -ECANCELED : 0;
    }
};

Ring::Ring(std::unique_ptr<State> state) : state_(std::move(state)) {}
Ring::Ring(Ring&&) noexcept = default;
Ring& Ring::operator=(Ring&&) noexcept = default;
Ring::~Ring() = default;

Result<Ring> Ring::open(Fd map) {
    auto state = std::make_unique<State>();
    state->map = std::move(map);
    state->ring = ring_buffer__new(state->map.get(), State::on_record, state.get(), nullptr);
    if (state->ring == nullptr)
        return os_error("mapping the ring of records");
    return Ring(std::move(state));
}

int Ring::poll_fd() const { return ring_buffer__epoll_fd(state_->ring); }

void Ring::consume(const Handler& handler, unsigned most) {
    state_->handler = &handler;
    state_->left = most;
    ring_buffer__consume(state_->ring);
    state_->handler = nullptr;
}

std::uint64_t Ring::malformed() const { return state_->malformed; }
std::uint64_t Ring::unknown() const { return state_->unknown; }

} // namespace xk::xdp
