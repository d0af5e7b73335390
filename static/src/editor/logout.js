// The channel on which every tab hears that the person has logged out.
export const LOGOUT = "memvid-logout";
