// The channel on which every tab hears that the person has logged out, and the event that tells it to this page.
export const LOGOUT = "memvid-logout";
