// SPDX-License-Identifier: MIT
// The directory of judgement's memory, and the copies of it that outlive a boot.
#include "daemon/authz/state.h"
#include "daemon/authz/state_read.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <string_view>

namespace xk::authz {
namespace {

template <typename T>
void append(std::string& to, const T* from, std::size_t count) {
    to.append(reinterpret_cast<const char*>(from), count * sizeof(T));
}

ByteView view_of(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

Section& add_section(StateDirectory& directory, SectionType type, std::size_t record_size, std::uint64_t length) {
    Section& section = directory.section[directory.sections++];
    section.type = type;
    section.version = 1;
    section.record_size = static_cast<std::uint32_t>(record_size);
    section.offset = directory.size;
    section.length = length;
    directory.size += length;
    return section;
}

} // namespace

StateDirectory directory_of(std::size_t replay_entries, const Bytes<16>& boot_id) {
    StateDirectory directory;
    directory.magic = kStateMagic;
    directory.boot_id = boot_id;
    directory.live = 1;
    directory.size = sizeof directory;
    add_section(directory, SectionType::judgement, sizeof(StateHeader), sizeof(StateHeader));
    add_section(directory, SectionType::credentials, sizeof(CredentialState), sizeof(StateImage::credentials));
    add_section(directory, SectionType::asked, sizeof(Asked), sizeof(StateImage::asked));
    add_section(directory, SectionType::pending, sizeof(PendingUse), sizeof(StateImage::pending));
    add_section(directory, SectionType::hellos, sizeof(HelloState), sizeof(StateImage::hellos)).optional = 1;
    add_section(directory, SectionType::replay, sizeof(ReplayEntry), replay_entries * sizeof(ReplayEntry));
    seal_directory(directory);
    return directory;
}
static_assert(offsetof(StateImage, header) == sizeof(StateDirectory) &&
              offsetof(StateImage, credentials) == offsetof(StateImage, header) + sizeof(StateHeader) &&
              offsetof(StateImage, asked) == offsetof(StateImage, credentials) + sizeof(StateImage::credentials) &&
              offsetof(StateImage, pending) == offsetof(StateImage, asked) + sizeof(StateImage::asked) &&
              offsetof(StateImage, hellos) == offsetof(StateImage, pending) + sizeof(StateImage::pending) &&
              sizeof(StateImage) == offsetof(StateImage, hellos) + sizeof(StateImage::hellos));

bool is_clean_copy(ByteView copy) {
    StateContents contents;
    return read_copy(copy, contents) == StateFit::whole && contents.header.clean == 1;
}

bool is_first_copy(ByteView copy) {
    StateContents contents;
    return read_copy(copy, contents) == StateFit::whole && all_zero(contents.boot_id);
}

std::string save_state(const StateImage& image, std::span<const ReplayEntry> replay, const Now& now, bool clean) {
    StateHeader header = image.header;
    header.saved_boot = now.boot.time_since_epoch().count();
    // Until horizon_boot has passed, more than the remembered knocks must be refused: the copy is not clean.
    header.clean = clean && header.saved_boot >= header.horizon_boot ? 1 : 0;
    // Boot time ends with the boot, so the limit becomes wall time. By now the wall clock may have been corrected.
    if (header.clean == 1 && header.horizon_boot > 0)
        header.horizon =
            std::max(header.horizon,
                     now.wall_at(BootTime(std::chrono::nanoseconds(header.horizon_boot))).time_since_epoch().count());
    const auto credentials = static_cast<std::uint64_t>(
        std::ranges::find_if(image.credentials, [](const auto& c) { return all_zero(c.id); }) -
        image.credentials.begin());
    const auto hellos = static_cast<std::uint64_t>(
        std::ranges::find_if(image.hellos, [](const auto& h) { return all_zero(h.id); }) - image.hellos.begin());
    std::vector<ReplayEntry> kept;
    if (header.clean == 1)
        std::ranges::copy_if(replay, std::back_inserter(kept), [&](const ReplayEntry& e) {
            return e.progress != Progress::none && e.slot + kSlotsKept >= header.high_slot;
        });
    StateDirectory directory;
    directory.magic = kStateMagic;
    directory.boot_id = image.directory.boot_id;
    directory.size = sizeof directory;
    std::string out;
    append(out, &directory, 1);
    append(out, &header, 1);
    append(out, image.credentials.data(), credentials);
    append(out, kept.data(), kept.size());
    append(out, image.hellos.data(), hellos);
    add_section(directory, SectionType::judgement, sizeof header, sizeof header);
    add_section(directory, SectionType::credentials, sizeof(CredentialState), credentials * sizeof(CredentialState));
    add_section(directory, SectionType::replay, sizeof(ReplayEntry), kept.size() * sizeof(ReplayEntry));
    add_section(directory, SectionType::hellos, sizeof(HelloState), hellos * sizeof(HelloState)).optional = 1;
    for (Section& section : std::span(directory.section).first(directory.sections))
        section.checksum = checksum_of(view_of(out).subspan(section.offset, section.length));
    seal_directory(directory);
    std::memcpy(out.data(), &directory, sizeof directory);
    return out;
}

} // namespace xk::authz
