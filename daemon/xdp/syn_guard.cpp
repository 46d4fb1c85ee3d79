// SPDX-License-Identifier: MIT
#include "daemon/xdp/syn_guard.h"

#include "daemon/xdp/abi_values.h"
#include "daemon/xdp/map_access.h"

#include <bpf/bpf.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>

namespace xk::xdp {
namespace {

constexpr std::size_t kWordBits = 64;

std::uint64_t hash_of(const Address& address) {
    std::uint64_t halves[2];
    std::memcpy(halves, address.bytes.data(), sizeof halves);
    return xk_address_hash(halves[0], halves[1]);
}

// The filter reads while we write: words are written whole.
template <typename Word>
void store_word(Word& to, Word value) {
    std::atomic_ref<Word>(to).store(value);
}

void set_bit(__u64* bitmap, std::size_t bit, bool value) {
    const __u64 mask = __u64{1} << (bit % kWordBits);
    __u64& word = bitmap[bit / kWordBits];
    store_word(word, value ? word | mask : word & ~mask);
}

void clear(__u64* bitmap) {
    for (std::size_t i = 0; i < XK_BITMAP_WORDS; ++i)
        store_word(bitmap[i], __u64{0});
}

// The bits of all addresses of the network, by their first 16 bits.
void set_network(xk_syn_guard& memory, const Prefix& network) {
    const bool v4 = network.is_v4();
    const std::size_t at = v4 ? 12 : 0;
    const unsigned length = v4 ? network.length - 96u : network.length;
    const std::size_t first = static_cast<std::size_t>(network.address.bytes[at]) << 8 | network.address.bytes[at + 1];
    const std::size_t count = length >= 16 ? 1 : std::size_t{1} << (16 - length);
    for (std::size_t bit = first; bit < std::min(first + count, XK_BITMAP_WORDS * kWordBits); ++bit)
        set_bit(v4 ? memory.allowed4 : memory.allowed6, bit, true);
}

void store_address(xk_address& to, const xk_address& from) {
    static_assert(sizeof to == 2 * sizeof(__u64) && offsetof(xk_syn_guard, local) % sizeof(__u64) == 0);
    __u64 halves[2];
    std::memcpy(halves, from.bytes, sizeof halves);
    auto* const words = reinterpret_cast<__u64*>(to.bytes);
    store_word(words[0], halves[0]);
    store_word(words[1], halves[1]);
}

} // namespace

void SynGuard::Unmap::operator()(xk_syn_guard* memory) const { ::munmap(memory, sizeof *memory); }

SynGuard::SynGuard(Filter& filter, std::function<void(const std::string&)> note)
    : filter_(&filter), note_(std::move(note)) {}

int SynGuard::known_fd() const { return filter_->map_fd(Map::known_sources); }

Result<void> SynGuard::take_over(BootTime now) {
    const int fd = filter_->map_fd(Map::syn_guard);
    void* const memory = ::mmap(nullptr, sizeof(xk_syn_guard), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return os_error("mapping the filter's guard of SYNs");
    memory_.reset(static_cast<xk_syn_guard*>(memory));
    switch_off();
    clear(memory_->known);
    std::map<Address, BootTime> before;
    for (const xk_address& key : keys_of<xk_address>(known_fd()))
        if (std::uint64_t until = 0; bpf_map_lookup_elem(known_fd(), &key, &until) == 0)
            before[address_of(key)] = boot_time(until);
    for (const auto& [source, until] : before)
        if (until <= now)
            erase_entry(known_fd(), abi(source));
        else if (known_.emplace(source, until).second && ++counts_[xk_known_bit(hash_of(source))] == 1)
            set_bit(memory_->known, xk_known_bit(hash_of(source)), true);
    return {};
}

void SynGuard::store_switch(bool on) {
    if (memory_)
        store_word(memory_->on, __u32{on});
}

bool SynGuard::is_on() const { return memory_ && memory_->on != 0; }

void SynGuard::switch_off() {
    wanted_ = false;
    store_switch(false);
}

void SynGuard::switch_on(BootTime now) {
    wanted_ = true;
    store_switch(now >= blind_until_);
}

void SynGuard::set_ports(std::span<const PortRange> ports) {
    clear(memory_->ports);
    for (const PortRange& range : ports)
        for (std::uint32_t port = range.first; range.protocol == IpProtocol::tcp && port <= range.last; ++port)
            set_bit(memory_->ports, port, true);
}

Result<void> SynGuard::set_allowed(std::span<const Prefix> networks) {
    const int fd = filter_->map_fd(Map::allowed_networks);
    xk_prefix key;
    while (bpf_map_get_next_key(fd, nullptr, &key) == 0)
        if (bpf_map_delete_elem(fd, &key) != 0)
            return os_error("clearing the filter's allowed networks");
    clear(memory_->allowed4);
    clear(memory_->allowed6);
    for (const Prefix& network : networks) {
        const xk_prefix allowed{network.length, abi(network.address)};
        const std::uint32_t yes = 1;
        if (bpf_map_update_elem(fd, &allowed, &yes, BPF_ANY) != 0)
            return os_error("writing the filter's allowed networks");
        set_network(*memory_, network);
    }
    store_word(memory_->allowed, static_cast<__u32>(networks.size()));
    return {};
}

void SynGuard::set_local(const std::set<Address>& addresses) {
    // No packet is for this address, so it stands for an empty slot.
    xk_address none;
    std::memset(none.bytes, 0xff, sizeof none.bytes);
    std::array<xk_address, XK_GUARD_SLOTS> slots;
    slots.fill(none);
    for (const Address& address : addresses)
        for (const int second : {0, 1})
            if (xk_address& slot = slots[xk_guard_slot(hash_of(address), second)];
                std::memcmp(&slot, &none, sizeof none) == 0) {
                slot = abi(address);
                break;
            }
    // The program may read between the two stores. It then finds an address that no host has, and the SYN passes on to
    // nftables.
    for (std::size_t i = 0; i < slots.size(); ++i)
        if (std::memcmp(&memory_->local[i], &slots[i], sizeof none) != 0) {
            store_address(memory_->local[i], none);
            store_address(memory_->local[i], slots[i]);
        }
}

bool SynGuard::write(const Address& source, BootTime until) {
    const xk_address key = abi(source);
    const std::uint64_t value = boot_ns(until);
    if (bpf_map_update_elem(known_fd(), &key, &value, BPF_ANY) != 0)
        return false;
    const auto bit = xk_known_bit(hash_of(source));
    if (known_.insert_or_assign(source, until).second && ++counts_[bit] == 1)
        set_bit(memory_->known, bit, true);
    return true;
}

void SynGuard::erase(const Address& source) {
    erase_entry(known_fd(), abi(source));
    const auto bit = xk_known_bit(hash_of(source));
    if (--counts_[bit] == 0)
        set_bit(memory_->known, bit, false);
}

void SynGuard::go_blind(BootTime until, const std::string& why) {
    store_switch(false);
    if (blind_until_ == BootTime{} && wanted_)
        note_("SYNs without a grant are left to nftables for a while: " + why);
    blind_until_ = std::max(blind_until_, until);
}

void SynGuard::admit(const Address& source, BootTime end) {
    const BootTime until = end + kRetransmissions;
    if (const auto known = known_.find(source); known != known_.end() && known->second >= until)
        return;
    if (!write(source, until))
        go_blind(until, os_error("writing the filter's known sources").message);
}

void SynGuard::limit(const Address& source, BootTime end) {
    // A source that cannot be written stays for longer, which is safe.
    if (const auto known = known_.find(source); known != known_.end() && known->second > end + kRetransmissions)
        (void)write(source, end + kRetransmissions);
}

void SynGuard::expire(BootTime now) {
    std::erase_if(known_, [&](const auto& known) {
        if (known.second > now)
            return false;
        erase(known.first);
        return true;
    });
    if (blind_until_ == BootTime{} || now < blind_until_)
        return;
    blind_until_ = BootTime{};
    store_switch(wanted_);
    if (wanted_)
        note_("SYNs without a grant are dropped at the NIC again");
}

} // namespace xk::xdp
