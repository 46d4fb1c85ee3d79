// SPDX-License-Identifier: MIT
//
// The copy of the state that outlives a reboot, in the layouts of this release and of the one before, and the image
// that it is made from. The checksums keep accidents out but no one who can write the file, so the parser behind them
// gets anything here. Whatever was read, the state works afterwards, and no lock-out and no used packet gets lost on
// the way through a copy, nor on the way into a file of another size.
#include "daemon/authz/lockout.h"
#include "daemon/authz/state_before.h"
#include "daemon/authz/state_read.h"
#include "state_memory.h"

#include <cstddef>
#include <cstring>

using namespace xk;
using namespace xk::fuzz;
using namespace xk::authz;
using namespace std::chrono_literals;

namespace {

constexpr Bytes<16> kBoot = {1}, kNextBoot = {2};
constexpr Now kNow{WallTime(1'700'000'000s), BootTime(100s)};
constexpr Now kLater{WallTime(1'700'000'600s), BootTime(50s)};
constexpr auto kSkew = 30s;
constexpr std::size_t kChecksumSize = 32;
constexpr KnockId kKnock = {{0xc4, 0xed}, {0x4e}, {0x3a, 0xc0}};
const Address kAddress = Address::v4(192, 0, 2, 7);

struct Records {
    std::vector<CredentialState> credentials;
    std::vector<ReplayEntry> replay;
};

template <typename T>
T record_from(Input& in) {
    T record;
    const auto bytes = in.bytes<sizeof(T)>();
    std::memcpy(static_cast<void*>(&record), bytes.data(), sizeof record);
    return record;
}

template <typename T>
void append(std::string& to, const std::vector<T>& records) {
    to.append(reinterpret_cast<const char*>(records.data()), records.size() * sizeof(T));
}

// Of the release before: right magic, counts and checksum, all else as the input has it. Both have the same records
// behind the header.
std::string copy_before(const StateHeader& header, const Records& records) {
    before::Header old;
    old.magic = kMagicBefore;
    static_assert(sizeof old == 24 + sizeof header);
    old.boot_id = kBoot;
    std::memcpy(reinterpret_cast<char*>(&old) + 24, &header, sizeof header);
    std::string copy;
    append(copy, std::vector<before::Header>{old});
    append(copy, std::vector<std::uint64_t>{records.credentials.size(), records.replay.size()});
    append(copy, records.credentials);
    append(copy, records.replay);
    return copy;
}

void add(StateDirectory& directory, std::string& copy, SectionType type, std::size_t record_size,
         const std::string& bytes) {
    Section& section = directory.section[directory.sections++];
    section.type = type;
    section.version = 1;
    section.record_size = static_cast<std::uint32_t>(record_size);
    section.offset = directory.size;
    section.length = bytes.size();
    section.checksum = checksum_of({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    directory.size += bytes.size();
    copy += bytes;
}

// Of this release, with a section at its end that nobody knows, and what the input makes of the directory.
std::string copy_now(Input& in, const StateHeader& header, const Records& records, bool& whole) {
    StateDirectory directory;
    directory.magic = kStateMagic;
    directory.boot_id = kBoot;
    directory.size = sizeof directory;
    std::string copy, credentials, replay;
    append(credentials, records.credentials);
    append(replay, records.replay);
    add(directory, copy, SectionType::judgement, sizeof header,
        std::string(reinterpret_cast<const char*>(&header), sizeof header));
    add(directory, copy, SectionType::credentials, sizeof(CredentialState), credentials);
    add(directory, copy, SectionType::replay, sizeof(ReplayEntry), replay);
    if (in.flag()) {
        add(directory, copy, static_cast<SectionType>(99), in.number(), std::string(text_of(in.rest())));
        directory.section[3].optional = 1;
    } else if (in.flag()) {
        auto* const bytes = reinterpret_cast<std::uint8_t*>(&directory);
        bytes[in.number<std::uint16_t>() % offsetof(StateDirectory, checksum)] ^= in.number();
        whole = false; // unless nothing changed, which nobody counts on
    }
    seal_directory(directory);
    return std::string(reinterpret_cast<const char*>(&directory), sizeof directory) + copy;
}

void seal_copy(std::string& copy) {
    Bytes<kChecksumSize> sum;
    crypto_generichash(sum.data(), sum.size(), reinterpret_cast<const unsigned char*>(copy.data()), copy.size(),
                       nullptr, 0);
    copy.append(sum.begin(), sum.end());
}

ByteView view_of(const std::string& copy) { return {reinterpret_cast<const std::uint8_t*>(copy.data()), copy.size()}; }

// As the worker does it: a copy that cannot be read is none here.
State::Begin begin_with(State& state, const Bytes<16>& boot, const Now& now, const std::string& copy) {
    StateContents contents;
    const bool whole = read_copy(view_of(copy), contents) == StateFit::whole;
    return state.begin_boot(boot, now, kSkew, whole ? &contents : nullptr);
}

// A file of another size goes on with all that was there.
void check_taken_over(State& state, StateMemory& memory, StateMemory& next_memory) {
    StateContents contents;
    FUZZ_CHECK(read_memory(memory.bytes(), kBoot, contents) == StateFit::whole);
    next_memory.clear();
    State next(next_memory.bytes());
    FUZZ_CHECK(next.take_over(contents) && next.is_of(kBoot));
    const wire::CredentialId id = {0xc4, 0xed};
    FUZZ_CHECK(std::memcmp(next.find(id), state.find(id), sizeof(CredentialState)) == 0);
    FUZZ_CHECK(next.header().high_slot == state.header().high_slot);
    const auto twins = std::ranges::count_if(memory.replay(), [](const ReplayEntry& e) {
        return e.knock.request == kKnock.request && e.knock.credential == kKnock.credential;
    });
    const ReplayEntry* const known = state.replay().find(kKnock, kAddress).packet;
    // What is older is forgotten by whoever reads it.
    if (known != nullptr && twins == 1 && known->slot + kSlotsKept >= state.header().high_slot)
        FUZZ_CHECK(next.replay().find(kKnock, kAddress).packet->progress == known->progress);
}

// Whatever memory it began with: what is remembered is known, and only that.
void check_works(State& state) {
    const wire::Tag tag = {0x7a, 0x67};
    const wire::Mac mac = {0x3a, 0xc0};
    const wire::CredentialId id = {0xc4, 0xed};
    const Slot slot = slot_of(kNow.wall);

    CredentialState* const record = state.credential(id);
    FUZZ_CHECK(record != nullptr && record->id == id && state.find(id) == record);
    FUZZ_CHECK(locked_for(*record, kNow.boot) >= 0s);
    ReplayMemory& replay = state.replay();
    ReplayEntry* const entry = replay.find(kKnock, kAddress).packet == nullptr
                                   ? replay.remember(kKnock, slot, kAddress, state.header().high_slot)
                                   : nullptr;
    if (entry != nullptr) {
        FUZZ_CHECK(replay.find(kKnock, kAddress).packet == entry && replay.find(kKnock, kAddress).request == nullptr);
        FUZZ_CHECK(entry->progress == Progress::judging && entry->address == kAddress);
        entry->progress = Progress::waiting;
        replay.finish(kKnock.credential, kKnock.request, kAddress);
        FUZZ_CHECK(replay.find(kKnock, kAddress).request == entry && entry->progress == Progress::done);
    }
    FUZZ_CHECK(state.begin_attempt(tag, mac) == 1);
    FUZZ_CHECK(state.begin_attempt(tag, mac) == 2);
    state.end_attempt();
    FUZZ_CHECK(state.begin_attempt(tag, mac) == 1);
    state.end_attempt();
    const Slot before = state.header().high_slot;
    state.raise_high_slot(slot);
    FUZZ_CHECK(state.header().high_slot == std::max(before, slot));
}

void check_begun(const State& state, State::Begin begin, const Bytes<16>& boot, const Now& now) {
    const StateHeader& h = state.header();
    FUZZ_CHECK(state.is_of(boot) && h.clean == 0 && h.attempts == 0 && all_zero(h.attempt));
    FUZZ_CHECK(state.refuses(now.wall, now));
    if (begin != State::Begin::from_clean_copy)
        FUZZ_CHECK(
            h.horizon_boot == (now.boot + kSkew).time_since_epoch().count() &&
            (h.high_slot > slot_of(kLater.wall) || h.horizon >= slot_end(h.high_slot).time_since_epoch().count()));
}

// A lock goes on for what was left of it, and a record that is there once is found.
void check_carried(const State& state, const Records& records, std::int64_t saved_boot) {
    for (const CredentialState& copied : records.credentials) {
        if (all_zero(copied.id))
            return; // the records behind a free one are not there
        const CredentialState* const found = state.find(copied.id);
        FUZZ_CHECK(found != nullptr);
        const auto twins = std::ranges::count_if(records.credentials, [&](const auto& c) { return c.id == copied.id; });
        if (twins != 1)
            continue;
        FUZZ_CHECK(found->code_step == copied.code_step && found->failures == copied.failures);
        FUZZ_CHECK(is_locked(*found, kNow.boot) == (copied.locked_until > saved_boot));
        FUZZ_CHECK(is_locked_for_good(*found) || copied.locked_until != kLockedForGood);
    }
}

// Through a copy into the next boot.
void check_next_boot(State& state, StateMemory& next_memory, BootTime stopped, bool clean) {
    const wire::CredentialId id = {0xc4, 0xed};
    CredentialState& record = *state.credential(id);
    record.locked_until = (stopped + 20s).time_since_epoch().count();
    const std::string copy =
        save_state(state.image(), state.replay().entries(), {kNow.wall_at(stopped), stopped}, clean);
    clean = clean && stopped.time_since_epoch().count() >= state.header().horizon_boot; // else it proves nothing
    next_memory.clear();
    State next(next_memory.bytes());
    const auto begin = begin_with(next, kNextBoot, kLater, copy);
    FUZZ_CHECK(begin == (clean ? State::Begin::from_clean_copy : State::Begin::from_copy));
    check_begun(next, begin, kNextBoot, kLater);
    FUZZ_CHECK(next.find(id) != nullptr && locked_for(*next.find(id), kLater.boot) == 20s);
    FUZZ_CHECK(next.header().high_slot == state.header().high_slot);
    FUZZ_CHECK(next.header().horizon >= state.header().horizon);
    // Slots so far in the future that they wrap are none that was ever accepted.
    const ReplayEntry* const known = state.replay().find(kKnock, kAddress).request;
    if (clean && known != nullptr && known->progress == Progress::done &&
        state.header().high_slot == slot_of(kNow.wall))
        FUZZ_CHECK(next.replay().find(kKnock, kAddress).request->progress == Progress::done);
}

// An image that somebody wrote who took the worker over: copying it is safe.
void check_foreign_image(Input& in, StateMemory& memory, StateMemory& next_memory) {
    StateImage& image = memory.image();
    image.header = record_from<StateHeader>(in);
    for (int i = in.number() & 3; i > 0; --i)
        image.credentials[in.number() & 3] = record_from<CredentialState>(in);
    for (int i = in.number() & 3; i > 0; --i)
        memory.replay()[in.number<std::uint16_t>() % StateMemory::kEntries] = record_from<ReplayEntry>(in);
    const bool clean = in.flag();
    const std::string copy = save_state(image, memory.replay(), kNow, clean);
    State next(next_memory.bytes());
    const auto begin = begin_with(next, kNextBoot, kLater, copy);
    FUZZ_CHECK(begin != State::Begin::from_nothing);
    check_begun(next, begin, kNextBoot, kLater);
    check_works(next);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static StateMemory memory, next_memory;
    begin_fixed_randomness();
    memory.clear();
    next_memory.clear();

    Input in(data, size);
    const std::uint8_t how = in.number();
    if ((how & 3) == 3) {
        check_foreign_image(in, memory, next_memory);
        return 0;
    }
    Records records;
    StateHeader header{};
    std::string copy;
    bool whole = (how & 3) != 2;
    if (!whole) {
        copy = text_of(in.rest()); // no part of it is put right
        StateContents contents;
        (void)read_memory(view_of(copy), kBoot, contents);
    } else {
        const std::uint8_t counts = in.number();
        header = record_from<StateHeader>(in);
        for (int i = 0; i < (counts & 7); ++i)
            records.credentials.push_back(record_from<CredentialState>(in));
        for (int i = 0; i < counts >> 4; ++i)
            records.replay.push_back(record_from<ReplayEntry>(in));
        if ((how & 3) == 1) {
            copy = copy_before(header, records);
            const std::string more(text_of(in.rest())); // more than the counts say
            whole = more.empty();
            copy += more;
            seal_copy(copy);
        } else {
            copy = copy_now(in, header, records, whole);
        }
    }
    State state(memory.bytes());
    const auto begin = begin_with(state, kBoot, kNow, copy);
    if (whole || (how & 3) == 1)
        FUZZ_CHECK((begin != State::Begin::from_nothing) == whole);
    check_begun(state, begin, kBoot, kNow);
    if (whole) {
        check_carried(state, records, header.saved_boot);
        for (const ReplayEntry& e : records.replay)
            if (begin == State::Begin::from_clean_copy)
                (void)state.replay().find(e.knock, e.address);
    }
    check_works(state);
    if (how & 32)
        check_taken_over(state, memory, next_memory);
    if (how & 4)
        check_next_boot(state, next_memory, kNow.boot + ((how & 16) != 0 ? kSkew : 0s), (how & 8) != 0);
    return 0;
}
