export const EventNames = {
  SESSION_STARTED: 'session.started',
  SESSION_RESUMED: 'session.resumed',
  SESSION_EXPIRED: 'session.expired',
  SESSION_ENDED: 'session.ended',
  LESSON_OPENED: 'lesson.opened',
  LESSON_COMPLETED: 'lesson.completed',
  LESSON_SKIPPED: 'lesson.skipped',
  LESSON_RATED: 'lesson.rated',
  QUIZ_STARTED: 'quiz.started',
  QUIZ_ANSWERED: 'quiz.answered',
  QUIZ_HINT_SHOWN: 'quiz.hint_shown',
  QUIZ_PASSED: 'quiz.passed',
  QUIZ_FAILED: 'quiz.failed',
  AUDIO_PLAYED: 'audio.played',
  AUDIO_PAUSED: 'audio.paused',
  AUDIO_SPEED_CHANGED: 'audio.speed_changed',
  STREAK_EXTENDED: 'streak.extended',
  STREAK_LOST: 'streak.lost',
  BADGE_EARNED: 'badge.earned',
  PURCHASE_STARTED: 'purchase.started',
  PURCHASE_COMPLETED: 'purchase.completed',
  PURCHASE_FAILED: 'purchase.failed',
  PURCHASE_RESTORED: 'purchase.restored',
} as const;

export type EventName = (typeof EventNames)[keyof typeof EventNames];

export enum Screen {
  Welcome = 'welcome',
  SignIn = 'sign-in',
  Home = 'home',
  Lesson = 'lesson',
  Quiz = 'quiz',
  Result = 'result',
  Profile = 'profile',
  Settings = 'settings',
  Shop = 'shop',
}

export enum Level {
  Starter = 0,
  Beginner = 10,
  Elementary = 20,
  Intermediate = 30,
  Upper = 40,
  Advanced = 50,
  Fluent = 60,
}

export enum Permission {
  Read = 1,
  Comment = 2,
  Edit = 4,
  Publish = 8,
  Invite = 16,
  Billing = 32,
  Admin = 64,
}

export const MAX_HEARTS = 5;
export const HEART_REFILL_MINUTES = 30;
export const DAILY_GOALS = [10, 20, 30, 50] as const;
export const STREAK_MILESTONES = [3, 7, 14, 30, 60, 100, 365] as const;
export const AUDIO_SPEEDS = [0.5, 0.75, 1, 1.25, 1.5] as const;

export const COLORS = {
  primary: '#3b6ea5',
  secondary: '#e0a458',
  success: '#4f9d69',
  danger: '#c8553d',
  surface: '#fbfaf7',
  ink: '#22262b',
} as const;
